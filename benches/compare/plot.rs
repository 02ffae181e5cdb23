//! The ratios as a picture: a bar for each row of the table, with a line from the least to the most of its rounds.

use crate::report::{Row, Spread};
use anyhow::Result;
use plotters::{
    coord::Shift,
    drawing::DrawingArea,
    element::{PathElement, Rectangle, Text},
    prelude::{IntoDrawingArea as _, SVGBackend},
    style::{
        BLACK, Color as _, IntoFont as _, IntoTextStyle as _, RGBColor, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 1200;
const LEFT: i32 = 420;
const RIGHT: i32 = 1060;
const TOP: i32 = 70;
const STEP: i32 = 24;
const BAR: i32 = 16;
const STEPS: f64 = 10.0;
const BLUE: RGBColor = RGBColor(70, 120, 180);
const GREY: RGBColor = RGBColor(200, 200, 200);

/// Draws the ratios of all rows.
pub fn draw(rows: &[Row], path: &Path) -> Result<()> {
    let bottom = TOP + STEP * i32::try_from(rows.len())?;
    let size = (u32::try_from(WIDTH)?, u32::try_from(bottom + 20)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    write(&area, "Answers in a second, in percent of a bare actix-web handler's", (20, 24), HPos::Left, 20)?;
    let largest = rows.iter().map(|row| row.ratio.most).fold(0.0, f64::max);
    // Ten steps of whole percents, of which the last is behind the longest bar.
    let step = (largest * 100.0 / STEPS).ceil().max(1.0);
    let across = |ratio: f64| LEFT + pixels(f64::from(RIGHT - LEFT) * ratio * 100.0 / (step * STEPS));
    for percent in (0..=pixels(step * STEPS)).step_by(usize::try_from(pixels(step))?) {
        let place = across(f64::from(percent) / 100.0);
        area.draw(&PathElement::new([(place, TOP - 8), (place, bottom)], GREY))?;
        write(&area, &percent.to_string(), (place, TOP - 18), HPos::Center, 14)?;
    }
    let mut middle = TOP + STEP / 2;
    for row in rows {
        let Spread { median, least, most } = row.ratio;
        let name = format!(
            "{} x {}, {} credentials, {}, {} connections",
            row.engine, row.replicas, row.credentials, row.case, row.connections
        );
        write(&area, &name, (LEFT - 10, middle), HPos::Right, 16)?;
        let bar = [(LEFT, middle - BAR / 2), (across(median), middle + BAR / 2)];
        area.draw(&Rectangle::new(bar, BLUE.filled()))?;
        area.draw(&PathElement::new([(across(least), middle), (across(most), middle)], BLACK.stroke_width(2)))?;
        let figures = format!("{:.1} %  ({:.0}/s)", median * 100.0, row.regcred.rate);
        write(&area, &figures, (across(most) + 6, middle), HPos::Left, 16)?;
        middle += STEP;
    }
    Ok(area.present()?)
}

fn write(area: &Area<'_>, text: &str, place: (i32, i32), anchor: HPos, size: i32) -> Result<()> {
    let style: TextStyle<'_> = ("sans-serif", size).into_font().into_text_style(area);
    Ok(area.draw(&Text::new(text.to_owned(), place, style.pos(Pos::new(anchor, VPos::Center))))?)
}

#[expect(clippy::cast_possible_truncation, reason = "a picture has far fewer than 2 to the power of 31 points")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

//! Lists come in pages: a limit, a cursor to go on from, and the next cursor.

use super::text::Invalid;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::str::FromStr;

/// How many items a page may hold: 1 to 500, 100 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u32")]
pub struct Limit(u32);

impl Limit {
    /// The most that a page may hold.
    pub const MOST: Self = Self(500);

    /// The limit as the store wants it: with room for the one item that tells whether a page follows.
    #[must_use]
    pub fn with_one_more(self) -> i64 {
        i64::from(self.0) + 1
    }

    /// The limit as a length.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u32> for Limit {
    type Error = Invalid;

    fn try_from(limit: u32) -> Result<Self, Invalid> {
        if (1..=Self::MOST.0).contains(&limit) { Ok(Self(limit)) } else { Err(Invalid("must be between 1 and 500")) }
    }
}

/// Where a list goes on. Its text is opaque to callers: base64url of the last item's sort key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Cursor(String);

impl Cursor {
    /// The cursor behind an item with this sort key.
    pub fn after(key: &impl ToString) -> Self {
        Self(key.to_string())
    }

    /// The sort key of the item that the last page ended with.
    ///
    /// # Errors
    /// The cursor is another list's, or somebody made it up.
    pub fn key<K: FromStr>(&self) -> Result<K, Invalid> {
        self.0.parse().map_err(|_| Self::INVALID)
    }

    /// The opaque text.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    const INVALID: Invalid = Invalid("must be a next_cursor of the same list");
}

impl TryFrom<String> for Cursor {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Self::INVALID)?;
        String::from_utf8(bytes).map(Self).map_err(|_| Self::INVALID)
    }
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// How many items at most.
    pub limit: Limit,
    /// Where to go on; the beginning if absent.
    pub cursor: Option<Cursor>,
}

impl PageRequest {
    /// The sort key to go on behind, if this is not the first page.
    ///
    /// # Errors
    /// The cursor does not belong to this list.
    pub fn after<K: FromStr>(&self) -> Result<Option<K>, Invalid> {
        self.cursor.as_ref().map(Cursor::key).transpose()
    }
}

/// A part of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none behind the last item.
    pub next: Option<Cursor>,
    /// How many items belong here but cannot be read.
    pub unreadable: u64,
}

impl<T> Page<T> {
    /// Makes a page of the rows that the store answered to [`Limit::with_one_more`]. `lost` hears of each unreadable row,
    /// and tells its sort key if that is known, so that a list goes on behind it.
    pub fn cut<E, K: ToString>(
        mut rows: Vec<Result<T, E>>,
        limit: Limit,
        key: impl Fn(&T) -> K,
        lost: impl Fn(&E) -> Option<K>,
    ) -> Self {
        let more = rows.len() > limit.as_usize();
        rows.truncate(limit.as_usize());
        let mut page = Self { items: Vec::with_capacity(rows.len()), next: None, unreadable: 0 };
        let mut end = None;
        for row in rows {
            match row {
                Ok(item) => {
                    end = Some(key(&item));
                    page.items.push(item);
                }
                Err(error) => {
                    end = lost(&error).or(end);
                    page.unreadable += 1;
                }
            }
        }
        page.next = end.filter(|_| more).as_ref().map(Cursor::after);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: Vec<Result<i32, i32>>) -> Page<i32> {
        Page::cut(rows, Limit::try_from(2).unwrap(), |n| *n, |n| Some(*n))
    }

    #[test]
    fn a_page_knows_whether_another_follows() {
        let first = page(vec![Ok(1), Ok(2), Ok(3)]);
        assert_eq!(first.items, [1, 2]);
        let next = Cursor::try_from(first.next.unwrap().encode()).unwrap();
        assert_eq!(next.key::<i32>(), Ok(2));
        assert!(page(vec![Ok(3)]).next.is_none());
        assert!(next.key::<super::super::id::TokenId>().is_err());
    }

    #[test]
    fn an_unreadable_item_is_counted_and_does_not_end_the_list() {
        let first = page(vec![Ok(1), Err(2), Ok(3)]);
        assert_eq!((first.items.as_slice(), first.unreadable), ([1].as_slice(), 1));
        assert_eq!(first.next.unwrap().key::<i32>(), Ok(2));
    }
}

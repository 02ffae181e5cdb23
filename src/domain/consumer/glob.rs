//! Shell patterns as Go's `filepath.Match` knows them, for a text without `/`.

/// Whether the whole text fits the pattern. A malformed pattern fits nothing.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last star does not fit: the star takes one character more.
    let mut retry = None;
    loop {
        let step = match pattern.get(at) {
            None if read == text.len() => return true,
            None => None,
            Some('*') => {
                retry = Some((at, read));
                at += 1;
                continue;
            }
            Some(_) => text.get(read).and_then(|c| one(&pattern[at..], *c)),
        };
        match (step, retry) {
            (Some(length), _) => {
                at += length;
                read += 1;
            }
            (None, Some((star, taken))) if taken < text.len() => {
                retry = Some((star, taken + 1));
                (at, read) = (star + 1, taken + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How long the first part of the pattern is, if it fits the character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        ['[', class @ ..] => class_of(class, c),
        [plain, ..] => (*plain == c).then_some(1),
        [] => None,
    }
}

/// How long a class is from its `[` to its `]`, if the character is in it.
fn class_of(class: &[char], c: char) -> Option<usize> {
    let negated = class.first() == Some(&'^');
    let mut at = usize::from(negated);
    let (mut found, mut ranges) = (false, 0);
    loop {
        if class.get(at) == Some(&']') && ranges > 0 {
            return (found != negated).then_some(at + 2);
        }
        let (low, behind) = member(class, at)?;
        let (high, behind) = if class.get(behind) == Some(&'-') { member(class, behind + 1)? } else { (low, behind) };
        found |= (low..=high).contains(&c);
        ranges += 1;
        at = behind;
    }
}

fn member(class: &[char], at: usize) -> Option<(char, usize)> {
    match class.get(at)? {
        '-' | ']' => None,
        '\\' => Some((*class.get(at + 1)?, at + 2)),
        plain => Some((*plain, at + 1)),
    }
}

use proptest::prelude::*;

use super::room;
use crate::auth::{PATTERN_BYTES_MAX, Pattern, PatternError};

/// The language, said as plainly as can be; exponential.
fn naive(pattern: &[char], name: &[char]) -> bool {
    let stars = pattern.iter().take_while(|c| **c == '*').count();
    match (stars, pattern.split_first(), name.split_first()) {
        (0, None, _) => name.is_empty(),
        (0, Some((wanted, pattern)), Some((c, name))) => wanted == c && naive(pattern, name),
        (0, Some(_), None) => false,
        (stars, _, _) => (0..=name.len()).any(|taken| {
            let allowed = stars > 1 || !name[..taken].contains(&'/');
            allowed && naive(&pattern[stars..], &name[taken..])
        }),
    }
}

#[test]
fn matches_as_the_table_says() {
    let check = |pattern: &str, name: &str, expected: bool| {
        let pattern: Pattern = pattern.parse().unwrap();
        assert_eq!(
            pattern.matches(&room(name)),
            expected,
            "{pattern} on {name}"
        );
    };
    check("lobby", "lobby", true);
    check("lobby", "lobby/1", false);
    check("lobby", "lobb", false);
    check("docs/*", "docs/a", true);
    check("docs/*", "docs/", true);
    check("docs/*", "docs", false);
    check("docs/*", "docs/a/b", false);
    check("docs/*/notes", "docs/a/notes", true);
    check("docs/*/notes", "docs/a/b/notes", false);
    check("docs/**", "docs/a", true);
    check("docs/**", "docs/a/b", true);
    check("docs/**", "docs", false);
    check("**/notes", "a/b/notes", true);
    check("*", "a", true);
    check("*", "a/b", false);
    check("**", "a/b", true);
    check("***", "a/b", true);
    check("*a*a*a", "aaa", true);
    check("*ü*", "grün", true);
    check("gr?n", "grün", false);
    check("a**b*c", "a/x/b-b-c", true);
    check("a**b*c", "a/x/b/c", false);
}

#[test]
fn refuses_what_no_room_could_match() {
    let check = |text: &str, expected: Result<(), PatternError>| {
        assert_eq!(text.parse::<Pattern>().map(|_| ()), expected);
    };
    check("", Err(PatternError::Empty));
    check("a\nb", Err(PatternError::Control(1)));
    check(&"a".repeat(PATTERN_BYTES_MAX), Ok(()));
    check(
        &"a".repeat(PATTERN_BYTES_MAX + 1),
        Err(PatternError::TooLong(PATTERN_BYTES_MAX + 1)),
    );
}

#[test]
fn the_worst_pattern_ends() {
    // A matcher that goes back and tries again needs longer than the universe has for this one.
    let worst: Pattern = "*a".repeat(PATTERN_BYTES_MAX / 2).parse().unwrap();
    assert!(worst.matches(&room(&"a".repeat(128))));
    let name = format!("{}b", "a".repeat(127));
    let never: Pattern = format!("{}c", "*a".repeat(60)).parse().unwrap();
    assert!(!never.matches(&room(&name)));
    let mixed: Pattern = format!("{}c", "**a*a".repeat(40)).parse().unwrap();
    assert!(!mixed.matches(&room(&name)));
}

proptest! {
    #[test]
    fn equals_the_naive_matcher(pattern in "[ab/ü*]{1,8}", name in "[ab/ü]{1,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let compiled: Pattern = pattern.parse().unwrap();
        prop_assert_eq!(
            compiled.matches(&room(&name)),
            naive(&chars(&pattern), &chars(&name))
        );
    }

    #[test]
    fn a_name_without_stars_matches_itself_alone(name in "[^*\\p{C}]{1,32}", other in "[^*\\p{C}]{1,32}") {
        let pattern: Pattern = name.parse().unwrap();
        prop_assert!(pattern.matches(&room(&name)));
        prop_assert_eq!(pattern.matches(&room(&other)), name == other);
    }
}

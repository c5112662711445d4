//! What can be wrong with a configuration, and how that is told.

use std::ops::Range;

use super::document::Document;
use super::excerpt::excerpt;
use crate::failure::Failure;

/// Problems that are told; a file with more has one cause for most.
const PROBLEMS_TOLD_MAX: usize = 20;

/// What is wrong with a value, told by who read it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    /// Where in the file, when it is narrower than the whole value.
    pub(crate) span: Option<Range<usize>>,
    /// Stands beside the line under the place.
    pub(crate) label: Option<String>,
    pub(crate) hint: Option<String>,
    /// `what` says all: no name of an option belongs before it.
    pub(crate) names_itself: bool,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            span: None,
            label: None,
            hint: None,
            names_itself: false,
        }
    }

    pub(crate) fn at(mut self, span: Range<usize>) -> Self {
        self.span.get_or_insert(span);
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Without the name of an option before it.
    pub(crate) fn naming_itself(mut self) -> Self {
        self.names_itself = true;
        self
    }
}

/// An unknown key, with the nearest of `known`, if one is near.
pub(crate) fn unknown_key(key: &str, span: Range<usize>, place: &str, known: &[&str]) -> Wrong {
    let wrong = Wrong::new(format!("unknown key `{key}`{place}"))
        .at(span)
        .naming_itself();
    match nearest(key, known) {
        Some(near) => wrong.label(format!("did you mean `{near}`?")),
        None => wrong,
    }
}

/// The name of `known` that `name` may be a slip of: a few letters differ, or words are missing.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let near = known.iter().min_by_key(|known| distance(known))?;
    let slips_max = (name.chars().count() / 3).max(1);
    if distance(near) <= slips_max {
        return Some(near);
    }
    let has_words = |known: &&&str| {
        let mut words = name.split('_');
        words.all(|word| word.len() > 2 && known.split('_').any(|part| part == word))
    };
    known.iter().find(has_words).copied()
}

/// A problem of the whole: who said it, and what is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// The flag, variable or key.
    pub(crate) source: String,
    pub(crate) wrong: Box<Wrong>,
    /// Whether `wrong.span` is a place in the file.
    pub(crate) in_file: bool,
}

/// One failure of all problems; `document` is the file that they are about.
pub(crate) fn failure_of(problems: &[Problem], document: Option<&Document>) -> Failure {
    let mut failures = problems
        .iter()
        .take(PROBLEMS_TOLD_MAX)
        .map(|problem| one(problem, document));
    let first = failures.next();
    let mut failure = first.unwrap_or_else(|| Failure::usage("the configuration is not good"));
    failure.also.extend(failures);
    let untold = problems.len().saturating_sub(PROBLEMS_TOLD_MAX);
    if untold > 0 {
        let more = Failure::usage(format!("and {untold} more"));
        failure.also.push(more);
    }
    failure
}

fn one(problem: &Problem, document: Option<&Document>) -> Failure {
    let Problem { source, wrong, .. } = problem;
    let message = if wrong.names_itself {
        wrong.what.clone()
    } else {
        format!("{source}: {}", wrong.what)
    };
    let mut failure = Failure::usage(message);
    if let (true, Some(document), Some(span)) = (problem.in_file, document, &wrong.span) {
        let shown = excerpt(&document.name, &document.text, span, wrong.label.as_deref());
        failure.excerpt = Some(shown);
    } else if let Some(label) = &wrong.label {
        failure = failure.hint(label);
    }
    match &wrong.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

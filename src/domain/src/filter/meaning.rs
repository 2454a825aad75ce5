//! What comparisons mean (`spec/cimi.md` 7.2). Every evaluator, also one over columns, asks here.

use std::cmp::Ordering;

use super::ast::{Comparison, Filter, Literal, Op};
use crate::{
    path::visit_values,
    scalar::{Number, Scalar},
    time::Timestamp,
};

impl Filter {
    /// Whether the filter holds for a JSON document: the plain evaluation that faster ones are held against.
    #[must_use]
    pub fn matches(&self, document: &[u8]) -> bool {
        match self {
            Self::And(members) => members.iter().all(|member| member.matches(document)),
            Self::Or(members) => members.iter().any(|member| member.matches(document)),
            Self::Compare(comparison) => {
                let mut values = Vec::new();
                visit_values(document, &comparison.path, &mut |value| values.push(value.clone().into_owned()));
                comparison.holds(&values)
            }
        }
    }
}

impl Comparison {
    /// Whether the comparison holds for a document that has `values` at the path; none of them if the attribute is
    /// missing or an empty array.
    ///
    /// - `= null` holds where no value but `null` is there, and `!= null` where one is;
    /// - any other `!=` is the contrary of `=`;
    /// - all else holds where at least one value satisfies it.
    #[must_use]
    pub fn holds(&self, values: &[Scalar<'_>]) -> bool {
        match (&self.value, self.op) {
            (Literal::Null, Op::Eq) => !values.iter().any(Scalar::is_present),
            (Literal::Null, Op::Ne) => values.iter().any(Scalar::is_present),
            (_, Op::Ne) => !values.iter().any(|value| self.satisfied_by(value)),
            _ => values.iter().any(|value| self.satisfied_by(value)),
        }
    }

    /// Whether one value satisfies the comparison in its positive form: for `!=` this answers as for `=`.
    ///
    /// Values of different kinds are never equal and have no order, with one exception: a quoted number compares with
    /// numbers. Texts that both read as a date or date and time compare as instants, all others by their characters.
    #[must_use]
    pub fn satisfied_by(&self, value: &Scalar<'_>) -> bool {
        if self.value == Literal::Null {
            return matches!(self.op, Op::Eq | Op::Ne) && !value.is_present();
        }
        let order = || order(value, &self.value);
        match self.op {
            Op::Eq | Op::Ne => order() == Some(Ordering::Equal),
            Op::Lt => order() == Some(Ordering::Less),
            Op::Le => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Op::Ge => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
            Op::Gt => order() == Some(Ordering::Greater),
            Op::StartsWith => both_texts(value, &self.value).is_some_and(|(text, start)| text.starts_with(start)),
            Op::Search => match both_texts(value, &self.value) {
                Some((text, sought)) => has_words(text, sought),
                None => order() == Some(Ordering::Equal),
            },
        }
    }
}

/// The instant that a text names, if it reads as a date or a date and time: `2012-01`, `2012-01-02`, RFC 3339.
pub(super) fn instant_of(text: &str) -> Option<Timestamp> {
    // Most texts are no dates: a look at two bytes spares them the longer way.
    let bytes = text.as_bytes();
    if bytes.len() < 7 || bytes[4] != b'-' || !bytes[0].is_ascii_digit() {
        return None;
    }
    Timestamp::parse_partial(text)
}

/// How `value` stands to `literal`; none if they cannot be compared.
fn order(value: &Scalar<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Scalar::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Text(a), Literal::Text { text, at }) => Some(order_texts(a, text, *at)),
        (Scalar::Text(a), Literal::Date { text, at }) => Some(order_texts(a, text, Some(*at))),
        (_, Literal::Int(b)) => value.number()?.compare(Number::Int(*b)),
        (_, Literal::Float(b)) => value.number()?.compare(Number::Float(*b)),
        (_, Literal::Text { text, .. }) => value.number()?.compare(Number::parse(text)?),
        _ => None,
    }
}

fn order_texts(value: &str, literal: &str, at: Option<Timestamp>) -> Ordering {
    let instants = at.and_then(|literal| Some((instant_of(value)?, literal)));
    instants.map_or_else(|| value.cmp(literal), |(value, literal)| value.cmp(&literal))
}

fn both_texts<'t>(value: &'t Scalar<'_>, literal: &'t Literal) -> Option<(&'t str, &'t str)> {
    match (value, literal) {
        (Scalar::Text(value), Literal::Text { text, .. } | Literal::Date { text, .. }) => Some((value, text)),
        _ => None,
    }
}

/// Whether all words of `sought` are words of `text`; not if there are none.
fn has_words(text: &str, sought: &str) -> bool {
    let present: Vec<String> = words(text).collect();
    let mut sought = words(sought).peekable();
    sought.peek().is_some() && sought.all(|word| present.contains(&word))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use crate::filter::parse;

    #[track_caller]
    fn check(document: &str, holds: &[&str], fails: &[&str]) {
        for filter in holds {
            assert!(parse(filter).unwrap().matches(document.as_bytes()), "{filter} should hold for {document}");
        }
        for filter in fails {
            assert!(!parse(filter).unwrap().matches(document.as_bytes()), "{filter} should not hold for {document}");
        }
    }

    #[test]
    fn a_missing_attribute_satisfies_only_not_equal_and_null() {
        check("{}", &["a!=3", "a!='x'", "a!=true", "a=null"], &["a=3", "a<3", "a>=3", "a^=''", "a=='x'", "a!=null"]);
        for empty in [r#"{"a":null}"#, r#"{"a":[]}"#, r#"{"a":[null]}"#] {
            check(empty, &["a=null", "a!=3"], &["a!=null", "a=3", "a<3", "a^=''"]);
        }
        check(r#"{"a":{}}"#, &["a!=null", "a!='x'"], &["a=null", "a='x'"]);
    }

    #[test]
    fn numbers_compare_exactly_whichever_way_they_are_written() {
        check(
            r#"{"a":3}"#,
            &["a=3", "a=3.0", "a='3'", "a<3.5", "2.5<a", "a>-1", "a=30e-1"],
            &["a=3.2", "a='3x'", "a^='3'"],
        );
        check(r#"{"a":9007199254740993}"#, &["a=9007199254740993", "a>9007199254740992.0"], &["a=9007199254740992"]);
        check(r#"{"a":-0.5}"#, &["a<0", "a>=-0.5"], &["a='x'", "a<'x'", "a>'x'"]);
        check(r#"{"a":"3"}"#, &["a='3'", "a!=3"], &["a=3", "a<4", "a='3.0'"]);
    }

    #[test]
    fn dates_compare_as_instants_and_other_texts_by_their_characters() {
        let created = r#"{"a":"2019-06-14T18:06:24.203Z","b":"soon"}"#;
        let holds = [
            "a>'2019-01-01T00:00:00Z'",
            "a<2019-06-14T18:06:25Z",
            "a='2019-06-14T20:06:24.203000+02:00'",
            "a>2019-06",
            "a>2019-06T00:00:00Z",
            "b!=2019-06",
        ];
        check(created, &holds, &["a<2019-06-14", "a=2019-06-14T18:06:24Z", "b='Soon'"]);
        check(r#"{"a":"2012-01-02"}"#, &["a=2012-01-02T00:00:00Z", "a>2012-01", "a^='2012-01'"], &["a!=2012-01-02"]);
    }

    #[test]
    fn any_element_of_an_array_counts_each_comparison_for_itself() {
        let document = r#"{"a":["x","y"],"o":[{"p":1,"q":2},{"p":3,"q":4}]}"#;
        check(document, &["a='x'", "a^='y'", "o/p=1 and o/q=4", "o/p>2"], &["a!='x'", "a='z'", "o/p=2"]);
    }

    #[test]
    fn a_search_finds_whole_words_in_any_case() {
        let document = r#"{"a":"Edge-Node, Ground Floor","n":3}"#;
        check(
            document,
            &["a=='node'", "a=='FLOOR edge'", "'ground'==a", "n=='3'"],
            &["a=='flo'", "a==''", "a=='edge roof'"],
        );
    }

    #[test]
    fn booleans_and_properties_and_word_like_attributes() {
        let document = r#"{"up":true,"properties":{"be ta":"4","a/b":"x"},"null":7}"#;
        check(
            document,
            &["up=true", "up!=false", "true=up", "property['be ta']='4'", "property[\"a/b\"]!=null", "null=7"],
            &["up='true'", "up=false", "up=1", "property['x']!=null"],
        );
    }
}

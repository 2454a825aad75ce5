//! `agreement`: what a provider promises for a service, and how far the promise is kept.

use crate::resource::kind::{
    Field, Fill, Kind, Shape, any, any_text, boolean, float, list, map, nat, object, one_of, pos, shaped, text,
    timestamp,
};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "agreement",
        title: "Agreement",
        tag: "agreements",
        uri: "http://schemas.dmtf.org/cimi/2/Agreement",
        about: "a promise about the service level, with the state of its assessment",
    },
    USERS_MODIFY,
    FIELDS,
)
.state_is_logged("state")
.travels();

const FIELDS: &[Field] = &[
    one_of("state", STATES).required("whether it is assessed").or(Fill::Text("stopped")),
    object("details", DETAILS).required("what is promised"),
    object("assessment", ASSESSMENT).optional("what the assessment has seen"),
];

/// The states of an agreement.
pub(super) const STATES: &[&str] = &["started", "stopped", "terminated"];

/// What an agreement promises; templates have the same.
pub(super) const DETAILS: &[Field] = &[
    any_text("id").optional("the client's own id for it"),
    one_of("type", TYPES).required("whether it binds, or is a pattern for others"),
    text("name").required("its name"),
    object("provider", PARTY).required("who promises"),
    object("client", PARTY).required("to whom"),
    timestamp("creation").required("from when it holds"),
    timestamp("expiration").optional("until when it holds"),
    list("guarantees", &Kind::Object(GUARANTEE)).unique().required("the single promises"),
    list("variables", &Kind::Object(VARIABLE)).unique().optional("what names in constraints stand for"),
    shaped("duration", &DURATION).optional("in a template: for how long agreements made from it hold"),
    list("parameters", &Kind::Object(PARAMETER)).unique().optional("in a template: what its placeholders take"),
];

/// One list in the original for agreements and for aggregations alike.
const TYPES: &[&str] = &["agreement", "template", "average"];

const DURATION: Shape = Shape { expected: "a period such as P1M, PT12H, 28d or 90m", format: None, holds: is_period };

const PARAMETER: &[Field] = &[
    text("name").required("the name in `{{.name}}`"),
    one_of("type", &["text", "number", "integer", "boolean"]).required("what it may be"),
    boolean("required").optional("whether it must be given where it has no default; true if missing"),
    any("default").optional("what it is where it is not given"),
    float("minimum").optional("the least number"),
    float("maximum").optional("the greatest number"),
    list("choices", &Kind::Any).optional("the only values"),
    any_text("description").optional("what it is for, for people"),
];

const PARTY: &[Field] = &[any_text("id").required("its id"), text("name").required("its name")];

const GUARANTEE: &[Field] = &[
    text("name").required("its name; for operations of a service, the operation's"),
    any_text("constraint").required("what holds, such as `execution_time < 10`"),
    any_text("scope").optional("the operations it is about, such as `es.bsc.*`; then the name is a mere label"),
    any_text("schedule").optional("when it is looked at"),
    any_text("warning").optional("a stricter constraint, whose breach is a mere warning"),
    list("penalties", &Kind::Object(PENALTY)).optional("what a breach costs"),
    object("slo", SLO).optional("the share of measurements that must hold, over a period"),
    list("exclusions", &Kind::Object(EXCLUSION)).optional("times that do not count, such as maintenance"),
    one_of("absent", &["undetermined", "warning", "violation"])
        .optional("what missing data mean; undetermined if missing"),
    object("hysteresis", HYSTERESIS).optional("how many measurements in a row change the state"),
    object("minimum", MINIMUM).optional("how much traffic there must be before it is looked at"),
];

const PENALTY: &[Field] = &[
    any_text("type").required("what kind, such as discount or fine"),
    any("value").required("how much: a number, or a text that is one"),
    any_text("unit").required("of what, such as % or EUR"),
    one_of("per", &["violation", "window"]).optional("once for each violation, or once a window; violation if missing"),
    pos("window").optional("the length of the window; 3600 if missing").unit("s"),
    float("cap").optional("the most it comes to, in all or in one period"),
    pos("period").optional("after how long the cap begins anew").unit("s"),
];

const SLO: &[Field] = &[
    float("objective").required("the share that must hold, such as 0.99"),
    shaped("window", &DURATION).required("over how long, such as 28d"),
    one_of("budgeting", &["occurrences", "timeslices", "ratio_timeslices"])
        .optional("whether measurements count, or slices of time; occurrences if missing"),
    pos("slice").optional("the length of a slice; 60 if missing").unit("s"),
    float("slice_target").optional("the share that must hold in a slice for it to be good; the objective if missing"),
];

const EXCLUSION: &[Field] = &[
    timestamp("start").required("from when"),
    timestamp("end").required("until when"),
    shaped("every", &DURATION).optional("after how long it comes again"),
    any_text("reason").optional("why"),
];

const HYSTERESIS: &[Field] = &[
    pos("breach").optional("so many breaches in a row open an episode; 1 if missing"),
    pos("recover").optional("so many good ones in a row end it; 1 if missing"),
];

const MINIMUM: &[Field] =
    &[pos("count").required("so many measurements"), pos("window").required("within this time").unit("s")];

const VARIABLE: &[Field] = &[
    text("name").required("the name in constraints"),
    any_text("metric").optional("the measured value it stands for"),
    object("aggregation", AGGREGATION).optional("how measured values become one"),
];

const AGGREGATION: &[Field] =
    &[shaped("type", &HOW).required("how"), nat("window").required("over which time").unit("s")];

const HOW: Shape = Shape {
    expected: "one of none, average, sum, count, min, max, last, rate, ratio, or a percentile such as p95",
    format: None,
    holds: is_aggregation,
};

/// The words of the original's list are taken for none.
fn is_aggregation(text: &str) -> bool {
    let percentile = |digits: &str| digits.parse::<f64>().is_ok_and(|rank| rank > 0.0 && rank < 100.0);
    let words = ["none", "average", "avg", "sum", "count", "min", "max", "last", "rate", "ratio"];
    words.contains(&text) || TYPES.contains(&text) || text.strip_prefix('p').is_some_and(percentile)
}

/// ISO 8601, `P1M`, or a number with one of the letters `s m h d w`.
fn is_period(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix('P') {
        Some(rest) => is_iso_period(rest),
        None => text.strip_suffix(['s', 'm', 'h', 'd', 'w']).is_some_and(digits),
    }
}

fn is_iso_period(text: &str) -> bool {
    let (days, clock) = text.split_once('T').map_or((text, None), |(days, clock)| (days, Some(clock)));
    let parts = |text: &str, letters: &str| {
        let mut left = letters;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letter = rest.get(end..).and_then(|tail| tail.chars().next());
            let place = letter.and_then(|letter| left.find(letter));
            let Some(place) = place.filter(|_| (1..=9).contains(&end)) else { return false };
            left = left.get(place + 1..).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        true
    };
    !text.is_empty() && parts(days, "YMWD") && clock.is_none_or(|clock| !clock.is_empty() && parts(clock, "HMS"))
}

const ASSESSMENT: &[Field] = &[
    timestamp("first_execution").required("when it was looked at first"),
    timestamp("last_execution").required("when it was looked at last"),
    map("guarantees", &Kind::Object(ASSESSED)).optional("the same for each promise by name"),
    list("stopped", &Kind::Object(STOPPED)).optional("when it was not assessed, by the will of its users"),
];

const STOPPED: &[Field] =
    &[timestamp("from").required("since when"), timestamp("to").optional("until when; missing while it is stopped")];

const ASSESSED: &[Field] = &[
    timestamp("first_execution").required("when it was looked at first"),
    timestamp("last_execution").required("when it was looked at last"),
    map("last_values", &Kind::Object(LAST_VALUE)).optional("the latest value of each variable"),
    one_of("state", &["fulfilled", "violated", "undetermined"]).optional("whether the promise is kept"),
    any_text("error").optional("why it cannot be assessed"),
    object("episode", EPISODE).optional("the breach that goes on"),
];

const EPISODE: &[Field] = &[
    timestamp("first_seen").required("when it began"),
    timestamp("last_seen").required("when it was seen last"),
    nat("count").required("how many measurements were bad"),
    float("worst").optional("the worst value"),
];

const LAST_VALUE: &[Field] = &[
    any_text("key").required("the variable"),
    any("value").required("its value"),
    timestamp("datetime").required("when it was measured"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_iso_8601_or_a_number_with_a_letter() {
        for good in ["P1M", "P1Y2M3W4DT5H6M7S", "PT12H", "28d", "90m", "1s", "2w", "8h"] {
            assert!(is_period(good), "{good}");
        }
        for bad in ["", "P", "PT", "P1", "1M2", "d", "28", "P1DT", "PM1", "P1D1M", "-1d", "1.5d", "P1\u{e9}"] {
            assert!(!is_period(bad), "{bad}");
        }
    }

    #[test]
    fn aggregations_are_words_or_percentiles() {
        assert!(["none", "average", "p95", "p99.9", "template"].into_iter().all(is_aggregation));
        assert!(!["p0", "p100", "median", "p", "pNaN"].into_iter().any(is_aggregation));
    }
}

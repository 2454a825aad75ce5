//! In which format an answer goes out: `format` in the query, then what `Accept` prefers. Pure.

/// The most media ranges that are looked at.
const MOST_RANGES: usize = 64;

/// A format of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/xml`.
    Xml,
    /// `application/json`.
    Json,
    /// `text/html`.
    Html,
}

impl Format {
    /// All of them, the one first that is taken where anything will do for `application/*`.
    pub const ALL: [Self; 3] = [Self::Xml, Self::Json, Self::Html];

    /// The header `content-type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml",
            Self::Json => "application/json",
            Self::Html => "text/html",
        }
    }

    /// The media types that ask for it. Whoever takes anything at all is shown a page.
    const fn family(self) -> &'static [&'static str] {
        match self {
            Self::Xml => &["application/xml", "text/xml", "application/*"],
            Self::Json => &["application/json"],
            Self::Html => &["application/xhtml+xml", "text/html", "text/*", "*/*"],
        }
    }
}

/// The format of an answer that can go out in the `offered` ones; none where the client takes none of them.
///
/// `format` is the parameter of the query, `accept` the header. Without either it is XML.
#[must_use]
pub fn negotiate(format: Option<&str>, accept: Option<&str>, offered: &[Format]) -> Option<Format> {
    let wanted = match (format, accept.filter(|accept| !accept.trim().is_empty())) {
        (Some("xml"), _) => Some(Format::Xml),
        (Some("json"), _) => Some(Format::Json),
        (Some("html"), _) => Some(Format::Html),
        (Some(_), _) => None,
        (None, None) => return offered.first().copied(),
        (None, Some(accept)) => preferred(accept, offered),
    };
    wanted.filter(|wanted| offered.contains(wanted))
}

fn preferred(accept: &str, offered: &[Format]) -> Option<Format> {
    let mut ranges: Vec<(&str, u32)> = accept.split(',').take(MOST_RANGES).filter_map(range).collect();
    // Equal ones stay in the client's order.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let refused = |format: Format| {
        ranges.iter().any(|(name, weight)| *weight == 0 && is_of(format, name) && !name.ends_with('*'))
    };
    let good = ranges.iter().filter(|(_, weight)| *weight > 0);
    good.flat_map(|(name, _)| {
        // A page that may not be had is replaced by what else there is.
        let rest = if name.ends_with('*') { offered } else { &[] };
        let named = offered.iter().filter(|format| is_of(**format, name));
        named.chain(rest.iter().filter(|format| *name == "*/*" || is_of(**format, name))).copied().collect::<Vec<_>>()
    })
    .find(|format| !refused(*format))
}

fn is_of(format: Format, name: &str) -> bool {
    format.family().iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A media range and its weight in thousandths; none where it cannot be read.
fn range(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| name.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(Some(1000), thousandths)?))
}

/// A weight as RFC 9110, 12.4.2 writes it.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let good = digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let part: u32 = good.then(|| format!("{digits:0<3}").parse().ok())??;
    match whole {
        "0" => Some(part),
        "1" => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Format> {
        negotiate(None, Some(accept), &Format::ALL)
    }

    #[test]
    fn the_query_comes_before_the_header_and_xml_where_neither_speaks() {
        let all = &Format::ALL;
        assert_eq!(negotiate(None, None, all), Some(Format::Xml));
        assert_eq!(negotiate(None, Some(" "), all), Some(Format::Xml));
        assert_eq!(negotiate(Some("json"), Some("text/html"), all), Some(Format::Json));
        for unknown in ["bogus", "", "gv", "png", "XML"] {
            assert_eq!(negotiate(Some(unknown), Some("*/*"), all), None, "{unknown}");
        }
        assert_eq!(negotiate(Some("xml"), None, &[Format::Html]), None);
        assert_eq!(negotiate(None, None, &[Format::Html]), Some(Format::Html));
    }

    #[test]
    fn the_header_says_what_is_liked_most() {
        for (accept, format) in [
            ("*/*", Some(Format::Html)),
            ("application/xml", Some(Format::Xml)),
            ("text/xml", Some(Format::Xml)),
            ("Application/JSON", Some(Format::Json)),
            ("application/*", Some(Format::Xml)),
            ("text/*", Some(Format::Html)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Format::Html)),
            ("application/json;q=0.5, application/xml;q=0.4, */*;q=0.1", Some(Format::Json)),
            ("application/xml;q=0.2, application/json", Some(Format::Json)),
            ("application/json, application/xml", Some(Format::Json)),
            ("application/xml, application/json", Some(Format::Xml)),
            ("image/png, application/json;q=0.1", Some(Format::Json)),
            ("text/html;q=0, */*", Some(Format::Xml)),
            ("application/json;q=0", None),
            ("image/png", None),
            ("json", None),
            ("application/json;q=2", None),
            ("application/json;q=0.1234", None),
            (",;,q=1", None),
        ] {
            assert_eq!(of(accept), format, "{accept}");
        }
        assert_eq!(negotiate(None, Some("*/*"), &[Format::Xml]), Some(Format::Xml));
    }
}

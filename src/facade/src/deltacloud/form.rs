//! What comes with a request: names with values in the query, in a form, or in a form of several parts (RFC 7578). Pure.

use mf2c_domain::query::decode_pairs;
use thiserror::Error;

/// The largest body, in bytes.
pub const LARGEST: usize = 64 << 10;
/// The most parts of a form of several parts.
const MOST_PARTS: usize = 32;
/// The most bytes of the headers of one part.
const LONGEST_HEADERS: usize = 4096;

/// What is wrong with the parameters of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// A query or a form that cannot be read.
    #[error("the parameters cannot be read: {0}")]
    Pairs(String),
    /// Another media type.
    #[error(
        "the content type of the body is not known: expected application/x-www-form-urlencoded or multipart/form-data"
    )]
    MediaType,
    /// A form of several parts that is none.
    #[error("the form of several parts cannot be read: {0}")]
    Parts(&'static str),
    /// One parameter with two values.
    #[error("the parameter `{0}` comes twice with different values: expected it once")]
    Twice(String),
}

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Those of a query: what stands behind the `?`.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn of_query(query: &str) -> Result<Self, FormError> {
        let pairs = decode_pairs(query).map_err(|error| FormError::Pairs(error.to_string()))?;
        Self { pairs }.once()
    }

    /// Those of a body with this content type. An empty body has none, whatever it is said to be.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn of_body(content_type: Option<&str>, body: &[u8]) -> Result<Self, FormError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = std::str::from_utf8(body).map_err(|_| FormError::Pairs("expected UTF-8".to_owned()))?;
            // `curl --data-binary @file` and editors leave the end of the line.
            return Self::of_query(text.trim_end_matches(['\r', '\n']));
        }
        if essence.eq_ignore_ascii_case("multipart/form-data") {
            let boundary = parameter(content_type, "boundary").ok_or(FormError::Parts("it names no boundary"))?;
            return Self { pairs: parts(body, &boundary)? }.once();
        }
        Err(FormError::MediaType)
    }

    /// These, and of others those whose names are not among them.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        let more: Vec<_> = others.pairs.into_iter().filter(|(name, _)| self.get(name).is_none()).collect();
        self.pairs.extend(more);
        self
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    fn once(self) -> Result<Self, FormError> {
        let mut kept: Vec<(String, String)> = vec![];
        for (name, value) in self.pairs {
            match kept.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known == value => {}
                Some(_) => return Err(FormError::Twice(name.chars().take(60).flat_map(char::escape_debug).collect())),
                None => kept.push((name, value)),
            }
        }
        Ok(Self { pairs: kept })
    }
}

/// A parameter of a header: `boundary` of `multipart/form-data; boundary="x"`.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (known, after) = rest.split_once('=')?;
        let (value, next) = value(after.trim_start())?;
        if known.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

/// A value, bare or in quotes, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.trim_end().to_owned(), rest));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            '"' if !escaped => return Some((value, quoted.get(at + 1..)?)),
            '\\' if !escaped => escaped = true,
            _ => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    None
}

/// The parts of a form, each a name and a text.
fn parts(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, FormError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if boundary.is_empty() || boundary.len() > 70 || !boundary.bytes().all(plain) || boundary.ends_with(' ') {
        return Err(FormError::Parts("its boundary is none: expected 1 to 70 plain characters"));
    }
    let open = format!("--{boundary}");
    let close = format!("\r\n{open}");
    let start = if body.starts_with(open.as_bytes()) { Some(open.len()) } else { end_of(body, close.as_bytes()) };
    let mut rest = body.get(start.ok_or(FormError::Parts("its boundary is nowhere in it"))?..).unwrap_or_default();
    let mut found = vec![];
    loop {
        if rest.starts_with(b"--") {
            return Ok(found);
        }
        if found.len() == MOST_PARTS {
            return Err(FormError::Parts("it has too many parts: expected at most 32"));
        }
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let part = rest.get(blanks..).and_then(|rest| rest.strip_prefix(b"\r\n"));
        let part = part.ok_or(FormError::Parts("a boundary is not at the end of its line"))?;
        let end = end_of(part, close.as_bytes()).ok_or(FormError::Parts("its last boundary is missing"))?;
        let (whole, after) = part.split_at(end);
        found.push(one(whole.get(..end - close.len()).unwrap_or_default())?);
        rest = after;
    }
}

/// One part: its headers, an empty line, its text.
fn one(part: &[u8]) -> Result<(String, String), FormError> {
    let blank = end_of(part.get(..LONGEST_HEADERS.min(part.len())).unwrap_or_default(), b"\r\n\r\n");
    let (headers, text) = part.split_at(blank.ok_or(FormError::Parts("a part has no headers, or too long ones"))?);
    let headers = std::str::from_utf8(headers).map_err(|_| FormError::Parts("a header is not UTF-8"))?;
    let disposition = headers
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("content-disposition").then_some(value.trim()));
    let name = disposition.filter(|value| value.to_ascii_lowercase().starts_with("form-data"));
    let name = name.and_then(|value| parameter(value, "name")).ok_or(FormError::Parts("a part has no name"))?;
    let text = std::str::from_utf8(text).map_err(|_| FormError::Parts("a value is not UTF-8"))?;
    Ok((name, text.to_owned()))
}

/// Where the first occurrence ends.
fn end_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted).map(|at| at + wanted.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MULTIPART: &str = "multipart/form-data; charset=\"utf-8\"; boundary=\"x y\"";

    fn body(kind: &str, body: &str) -> Result<Vec<(String, String)>, FormError> {
        Parameters::of_body(Some(kind), body.as_bytes()).map(|read| read.pairs)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn forms_are_read_as_browsers_and_curl_send_them() {
        let urlencoded = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(body(urlencoded, "name=a+b%26&x\n"), Ok(pairs(&[("name", "a b&"), ("x", "")])));
        let two = "--x y\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nk2\r\n--x y  \r\ncontent-disposition: \
                   form-data; filename=\"a;\\\"name=z\"; name=public_key\r\nContent-Type: text/plain\r\n\r\nssh-rsa\r\nA\r\n--x y--\r\n";
        assert_eq!(body(MULTIPART, two), Ok(pairs(&[("name", "k2"), ("public_key", "ssh-rsa\r\nA")])));
        assert_eq!(body(MULTIPART, &format!("preamble\r\n{two}epilogue")).map(|pairs| pairs.len()), Ok(2));
        assert_eq!(body(MULTIPART, "--x y--"), Ok(vec![]));
        assert_eq!(body("application/json", ""), Ok(vec![]));
        assert_eq!(Parameters::of_body(None, b"{}"), Err(FormError::MediaType));
    }

    #[test]
    fn a_body_comes_before_the_query_and_nothing_has_two_values() {
        let body = Parameters::of_query("name=b&name=b").unwrap();
        let both = body.or(Parameters::of_query("name=a&format=xml").unwrap());
        assert_eq!(both.get("name"), Some("b"));
        assert_eq!(both.names().collect::<Vec<_>>(), ["name", "format"]);
        assert_eq!(Parameters::of_query("a=1&a=2"), Err(FormError::Twice("a".into())));
        assert!(matches!(Parameters::of_query("a=%zz"), Err(FormError::Pairs(_))));
    }

    #[test]
    fn what_is_no_form_of_several_parts_is_refused_with_the_reason() {
        let part = "--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
        let many = format!("{}--x y--", part.repeat(MOST_PARTS + 1));
        let long = format!("--x y\r\nX: {}\r\n\r\nb\r\n--x y--", "y".repeat(LONGEST_HEADERS));
        for (text, reason) in [
            ("nothing", "nowhere"),
            (part, "last boundary"),
            ("--x y\r\n\r\nb\r\n--x y--", "no headers"),
            ("--x y\r\nX: y\r\n\r\nb\r\n--x y--", "no name"),
            ("--x yz\r\n\r\nb\r\n--x y--", "end of its line"),
            (&many, "too many"),
            (&long, "too long"),
        ] {
            let error = body(MULTIPART, text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a"] {
            assert!(matches!(body(kind, part), Err(FormError::Parts(_))), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in "(multipart/form-data; ?boundary=)?[-a-z\";\\\\= ]{0,12}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parameters::of_body(Some(&kind), &bytes);
            let framed = [b"--x\r\n", &bytes[..], b"\r\n--x--"].concat();
            let _ = Parameters::of_body(Some("multipart/form-data; boundary=x"), &framed);
        }

        #[test]
        fn what_was_written_is_read(name in "[a-z_]{1,9}", value in "\\PC{0,40}") {
            let text = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--x--\r\n");
            let read = Parameters::of_body(Some("multipart/form-data; boundary=x"), text.as_bytes()).unwrap();
            prop_assert_eq!(read.get(&name), Some(value.as_str()));
        }
    }
}

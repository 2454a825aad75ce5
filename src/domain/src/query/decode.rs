//! Takes a query string or a form body apart (`spec/cimi.md` 1).

use super::QueryError;

/// The most parameters of one query.
pub const MAX_PAIRS: usize = 256;

/// Splits a query string or form body into names and values, in order.
///
/// Form rules: pairs are split at `&`, a pair at its first `=`, `+` is a space, and `%` begins an escape. Characters
/// that should have been escaped, such as `"` and `<`, stand for themselves. A pair without `=` has an empty value.
///
/// # Errors
/// [`QueryError`] at the first bad escape, at escapes that are no UTF-8, and for more than [`MAX_PAIRS`] pairs.
pub fn decode_pairs(raw: &str) -> Result<Vec<(String, String)>, QueryError> {
    let mut pairs = Vec::new();
    let mut start = 0;
    for pair in raw.split('&') {
        let at = start;
        start += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        if pairs.len() == MAX_PAIRS {
            return Err(QueryError::TooManyPairs);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(raw, at, name)?, decode(raw, at + name.len() + 1, value)?));
    }
    Ok(pairs)
}

/// Decodes `part`, which stands at the byte `start` of `raw`.
fn decode(raw: &str, start: usize, part: &str) -> Result<String, QueryError> {
    let column = |at: usize| raw.get(..at).unwrap_or(raw).chars().count() + 1;
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = part.as_bytes().get(at + 1..at + 3).and_then(|pair| Some((hex(pair[0])?, hex(pair[1])?)));
                let Some((high, low)) = digits else {
                    let escape = part.get(at..).unwrap_or("").chars().take(3).filter(|c| !c.is_control()).collect();
                    return Err(QueryError::BadEscape { escape, column: column(start + at) });
                };
                bytes.push(high << 4 | low);
                rest.nth(1);
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).map_err(|_| QueryError::InvalidUtf8 { column: column(start) })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(raw: &str) -> Vec<(String, String)> {
        decode_pairs(raw).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_split_at_the_first_equals_sign_and_kept_in_order() {
        assert_eq!(
            decoded(r#"$filter=id="user/x"&$filter=a<=5&&$last=0&x"#),
            [pair("$filter", r#"id="user/x""#), pair("$filter", "a<=5"), pair("$last", "0"), pair("x", "")]
        );
        assert_eq!(decoded(""), []);
        assert_eq!(decoded("=v"), [pair("", "v")]);
    }

    #[test]
    fn escapes_and_plus_signs_are_decoded() {
        assert_eq!(decoded("%24filter=a%3D%27x+y%27+and+b%3e%c3%A9%2B"), [pair("$filter", "a='x y' and b>é+")]);
    }

    #[test]
    fn a_bad_escape_is_named_with_its_place() {
        let bad = |raw: &str| decode_pairs(raw).unwrap_err();
        assert_eq!(bad("é=1&a='5%'"), QueryError::BadEscape { escape: "%'".into(), column: 9 });
        assert_eq!(bad("a%zz=1"), QueryError::BadEscape { escape: "%zz".into(), column: 2 });
        assert_eq!(bad("a=%é"), QueryError::BadEscape { escape: "%é".into(), column: 3 });
        assert_eq!(bad("a=x%ff"), QueryError::InvalidUtf8 { column: 3 });
        assert!(bad("a=%").to_string().contains("`%25` for a percent sign"));
    }

    #[test]
    fn the_number_of_pairs_is_bounded() {
        assert_eq!(decoded(&"a=1&".repeat(MAX_PAIRS)).len(), MAX_PAIRS);
        assert_eq!(decode_pairs(&"a=1&".repeat(MAX_PAIRS + 1)), Err(QueryError::TooManyPairs));
    }

    proptest! {
        #[test]
        fn what_was_escaped_is_read_back(names in proptest::collection::vec((any::<String>(), any::<String>()), 0..5)) {
            let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let raw: Vec<String> = names.iter().map(|(name, value)| escape(name) + "=" + &escape(value)).collect();
            prop_assert_eq!(decode_pairs(&raw.join("&")), Ok(names));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(raw in any::<String>(), nearly in "[%&=+a-f0-9é]{0,30}") {
            let _ = decode_pairs(&raw);
            let _ = decode_pairs(&nearly);
        }
    }
}

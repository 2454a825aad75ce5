//! Where the text of a compose file comes from (`spec/lifecycle.md` A.9): from a URL, from a `data:` URL, or from the service itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::ports::Fetcher;

/// The longest compose file, in bytes.
const MOST: usize = 1 << 20;

/// The text that `exec` stands for.
pub(super) async fn text(exec: String, fetcher: Arc<dyn Fetcher>) -> Result<String, String> {
    let text = if exec.starts_with("http://") || exec.starts_with("https://") {
        fetcher.fetch(&exec, MOST).await?
    } else if let Some(data) = exec.strip_prefix("data:") {
        of_data_url(data)?
    } else if exec.contains('\n') {
        exec
    } else {
        return Err(
            "expected a compose file: its text, an http(s) URL, or a `data:application/x-yaml;base64,` URL".to_owned()
        );
    };
    if text.len() > MOST {
        return Err(format!("the compose file has {} bytes: expected at most {MOST}", text.len()));
    }
    Ok(text)
}

/// RFC 2397. The original's catalogue also has texts that are not encoded at all.
fn of_data_url(data: &str) -> Result<String, String> {
    let Some((media, content)) = data.split_once(',') else {
        return Err("the `data:` URL has no comma before its content".to_owned());
    };
    let bytes = if media.ends_with(";base64") {
        let plain: String = content.chars().filter(|sign| !sign.is_ascii_whitespace()).collect();
        STANDARD.decode(plain).map_err(|error| format!("the content of the `data:` URL is no base64: {error}"))?
    } else {
        percent_decode_str(content).collect()
    };
    String::from_utf8(bytes).map_err(|_| "the content of the `data:` URL is no text in UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::of_data_url;

    #[test]
    fn data_urls_are_read_encoded_or_not() {
        for url in [
            "application/x-yaml;base64,YTogMQo=",
            "application/x-yaml,a%3A%201%0A",
            "application/x-yaml,a: 1\n",
            ",a: 1\n",
        ] {
            assert_eq!(of_data_url(url).as_deref(), Ok("a: 1\n"), "{url}");
        }
        for url in ["application/x-yaml", "x;base64,*", ",%ff"] {
            assert!(of_data_url(url).is_err(), "{url}");
        }
    }
}

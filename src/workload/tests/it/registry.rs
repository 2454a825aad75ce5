//! A registry on loopback that has one image, wants a password if told so, and can spoil what it sends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sha2::{Digest as _, Sha256};

/// How it behaves.
#[derive(Default)]
pub(crate) struct Manners {
    /// `Basic …` that must come with each request.
    pub(crate) wanted: Option<String>,
    /// Whether the layer is another one than its digest says.
    pub(crate) spoilt: AtomicBool,
}

/// It listens until the test ends.
pub(crate) struct Registry {
    pub(crate) address: String,
    pub(crate) manners: Arc<Manners>,
}

struct Image {
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
}

fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    format!("sha256:{}", sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// An image of one file, in the format of schema 2 (`distribution` specification).
fn image() -> Image {
    let layer = tempfile::tempdir().unwrap();
    std::fs::write(layer.path().join("hello"), "hello").unwrap();
    let tar =
        std::process::Command::new("tar").arg("-C").arg(layer.path()).args(["-czf", "-", "hello"]).output().unwrap();
    let plain =
        std::process::Command::new("tar").arg("-C").arg(layer.path()).args(["-cf", "-", "hello"]).output().unwrap();
    let (packed, plain) = (tar.stdout, plain.stdout);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&plain)]},
    });
    let config = config.to_string().into_bytes();
    let part = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "size": bytes.len(), "digest": digest(bytes)});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": part("application/vnd.docker.container.image.v1+json", &config),
        "layers": [part("application/vnd.docker.image.rootfs.diff.tar.gzip", &packed)],
    });
    Image { manifest: manifest.to_string().into_bytes(), blobs: vec![config, packed] }
}

impl Registry {
    pub(crate) fn start(wanted: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let manners = Arc::new(Manners { wanted, spoilt: AtomicBool::new(false) });
        let (image, known) = (Arc::new(image()), Arc::clone(&manners));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (image, known) = (Arc::clone(&image), Arc::clone(&known));
                std::thread::spawn(move || answer(stream, &image, &known));
            }
        });
        Self { address, manners }
    }
}

fn answer(stream: TcpStream, image: &Image, manners: &Manners) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut authorised) = (String::new(), manners.wanted.is_none());
    if reader.read_line(&mut first).is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        authorised |= name.eq_ignore_ascii_case("authorization") && Some(value.trim()) == manners.wanted.as_deref();
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = if !authorised {
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"", "application/json", b"{}".to_vec())
    } else if path == "/v2/" {
        ("200 OK", "application/json", b"{}".to_vec())
    } else if path.starts_with("/v2/web/manifests/") {
        ("200 OK", "application/vnd.docker.distribution.manifest.v2+json", image.manifest.clone())
    } else if let Some(blob) = image.blobs.iter().find(|blob| path.ends_with(&digest(blob))) {
        let mut blob = blob.clone();
        if manners.spoilt.load(Ordering::SeqCst) && !blob.starts_with(b"{") {
            *blob.last_mut().unwrap() ^= 1;
        }
        ("200 OK", "application/octet-stream", blob)
    } else {
        let error = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        ("404 Not Found", "application/json", error.as_bytes().to_vec())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n\
         Docker-Content-Digest: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        digest(&body),
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
    let _ = stream.flush();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 1]);
}

//! The files that a run leaves: opened before it begins, so that hours of simulation are not lost to a misspelt folder.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

use crate::args::SimArgs;
use crate::command::SimError;
use crate::outcome::Outcome;
use crate::picture;

/// A file that is filled at the end. What it held before stays until then.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    fn open(path: &Path) -> Result<Self, SimError> {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        opened.map(|file| Self { path: path.to_owned(), file }).map_err(|source| cannot_write(path, source))
    }

    fn fill(&mut self, text: &str) -> Result<(), SimError> {
        let Self { path, file } = self;
        let filled = file.metadata().and_then(|found| {
            // A pipe or a terminal has no length.
            if found.is_file() {
                file.set_len(0)?;
                file.rewind()?;
            }
            file.write_all(text.as_bytes())
        });
        filled.map_err(|source| cannot_write(path, source))
    }
}

fn cannot_write(path: &Path, source: io::Error) -> SimError {
    SimError::File { action: "write", path: path.to_owned(), source }
}

/// See the module.
#[derive(Debug)]
pub struct Outputs {
    json: Option<Output>,
    timeline: Option<(Output, bool)>,
    trace: Option<Output>,
}

impl Outputs {
    /// Opens what the flags name.
    ///
    /// # Errors
    /// A file cannot be written, is named twice, or is no picture.
    pub fn open(args: &SimArgs) -> Result<Self, SimError> {
        let html = args.timeline.as_deref().map(is_page).transpose()?;
        let all = [&args.scenario, &args.json, &args.timeline, &args.trace];
        let named: Vec<&PathBuf> = all.into_iter().flatten().collect();
        for (at, path) in named.iter().enumerate() {
            let same = |other: &&PathBuf| other == path || is_same(other, path);
            if named.iter().take(at).copied().any(|other| same(&other)) {
                let path = path.display();
                return Err(SimError::Usage(format!("`{path}` is named twice: expected a file of its own for each")));
            }
        }
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        let (json, timeline) = (open(&args.json)?, open(&args.timeline)?);
        Ok(Self { json, timeline: timeline.zip(html), trace: open(&args.trace)? })
    }

    /// Where every event is to be written, if anywhere: what the file held is gone.
    ///
    /// # Errors
    /// It cannot be emptied.
    pub fn trace(&mut self) -> Result<Option<Box<dyn Write + Send>>, SimError> {
        let Some(mut output) = self.trace.take() else { return Ok(None) };
        output.fill("")?;
        Ok(Some(Box::new(BufWriter::new(output.file))))
    }

    /// Whether a report is wanted.
    #[must_use]
    pub const fn wants_report(&self) -> bool {
        self.json.is_some()
    }

    /// Writes the report.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn report(&mut self, report: &serde_json::Value) -> Result<(), SimError> {
        self.json.as_mut().map_or(Ok(()), |output| output.fill(&format!("{report:#}\n")))
    }

    /// Draws the picture.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn picture(&mut self, outcome: &Outcome, title: &str) -> Result<(), SimError> {
        let Some((output, html)) = &mut self.timeline else { return Ok(()) };
        let draw = if *html { picture::html } else { picture::svg };
        output.fill(&draw(&outcome.timeline, title))
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other && one.is_file())
}

/// Whether a picture is a page.
fn is_page(path: &Path) -> Result<bool, SimError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(false),
        Some("html" | "htm") => Ok(true),
        _ => Err(SimError::Picture(path.to_owned())),
    }
}

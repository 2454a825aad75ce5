//! `Progress`: what is under way, beside the output. At a terminal its lines are drawn over those before; in a pipe a line is
//! written when it says something new.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

use crate::output::{Width, row};
use crate::terminal::beside;

/// The width of a terminal that does not tell it, in columns.
const USUAL_WIDTH: Width = 80;
/// So many lines are drawn, where the terminal does not tell its height.
const USUAL_HEIGHT: usize = 24;

/// A line about something under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is about: the next line about it takes its place.
    pub(crate) about: String,
    /// What is worth a line of its own in a pipe.
    pub(crate) text: String,
    /// What changes all the time, for a terminal alone.
    pub(crate) passing: String,
}

/// See the module.
pub(crate) struct Progress {
    /// The columns and lines of the terminal that it is drawn on.
    screen: Option<(Width, usize)>,
    drawn: usize,
    told: BTreeMap<String, String>,
}

impl Progress {
    /// For standard error as it is now.
    pub(crate) fn begin() -> Self {
        let size = || tcgetwinsize(io::stderr()).ok().map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        let known = |value: usize, usual: usize| if value == 0 { usual } else { value };
        let screen = io::stderr().is_terminal().then(|| {
            let (width, height) = size().unwrap_or_default();
            (known(width, USUAL_WIDTH), known(height, USUAL_HEIGHT))
        });
        Self { screen, drawn: 0, told: BTreeMap::new() }
    }

    /// Shows these lines in the place of those before.
    pub(crate) fn show(&mut self, lines: &[Line]) {
        match self.screen {
            Some(screen) => {
                let text = drawn(lines, self.drawn, screen);
                self.drawn = lines.len().min(most(screen));
                // That nobody sees it is no failure.
                let _ = write!(io::stderr(), "{text}").and_then(|()| io::stderr().flush());
            }
            None => self.news(lines).iter().for_each(|line| beside(line)),
        }
    }

    /// Says something above the lines, once.
    pub(crate) fn note(&mut self, text: &str) {
        if self.drawn > 0 {
            let _ = write!(io::stderr(), "{}", up(self.drawn));
            self.drawn = 0;
        }
        crate::terminal::note(text);
    }

    /// The lines that say something new.
    fn news(&mut self, lines: &[Line]) -> Vec<String> {
        let news = lines.iter().filter(|line| self.told.get(&line.about) != Some(&line.text)).cloned();
        let news: Vec<Line> = news.collect();
        self.told.extend(news.iter().map(|line| (line.about.clone(), line.text.clone())));
        news.into_iter().map(|line| line.text).collect()
    }
}

/// So many lines fit: what has left the screen cannot be drawn over.
fn most((_, height): (Width, usize)) -> usize {
    height.saturating_sub(2).max(1)
}

/// What brings the cursor back over so many lines and clears them.
fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A\u{1b}[J") }
}

fn drawn(lines: &[Line], before: usize, screen: (Width, usize)) -> String {
    let mut text = up(before);
    for line in lines.iter().take(most(screen)) {
        let whole =
            if line.passing.is_empty() { line.text.clone() } else { format!("{}  {}", line.text, line.passing) };
        // A line that is as wide as the terminal would go on in the next.
        text.push_str(&row(&[whole], &[screen.0.saturating_sub(1)]));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(about: &str, text: &str, passing: &str) -> Line {
        Line { about: about.to_owned(), text: text.to_owned(), passing: passing.to_owned() }
    }

    #[test]
    fn at_a_terminal_lines_take_the_place_of_those_before_and_none_is_wider() {
        let lines = [line("a", "pulling", "1 of 9 MiB"), line("b", &"x".repeat(50), "")];
        assert_eq!(drawn(&lines, 0, (20, 24)), format!("pulling  1 of 9 MiB\n{}…\n", "x".repeat(18)));
        assert!(drawn(&lines, 2, (20, 24)).starts_with("\u{1b}[2A\u{1b}[Jpulling"));
        assert_eq!(drawn(&lines, 0, (20, 3)).lines().count(), 1);
    }

    #[test]
    fn in_a_pipe_a_line_is_told_once_and_what_passes_is_not() {
        let mut progress = Progress { screen: None, drawn: 0, told: BTreeMap::new() };
        assert_eq!(progress.news(&[line("a", "pulling", "1"), line("b", "waiting", "")]), ["pulling", "waiting"]);
        assert_eq!(progress.news(&[line("a", "pulling", "2"), line("b", "started", "")]), ["started"]);
        assert!(progress.news(&[line("a", "pulling", "3")]).is_empty());
    }
}

//! `Live`: a screen that is drawn anew again and again, until somebody presses `q`; and the same pace for pipes.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::{ClientError, terminal};

/// The height of a terminal that does not tell it, in lines.
const USUAL_HEIGHT: usize = 24;
/// Another screen than the one with what was there before, without a cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// Ctrl-C and Ctrl-D, where the terminal gives them as they are.
const ENDS: [u8; 4] = [b'q', b'Q', 3, 4];

/// See the module. The terminal is as before when this is dropped.
pub struct Live {
    /// How the keyboard was; none where there is none to be listened to.
    keyboard: Option<Termios>,
    draws: bool,
}

impl Live {
    /// Takes the terminal, if standard output is one.
    #[must_use]
    pub fn begin() -> Self {
        let draws = io::stdout().is_terminal();
        let before = (draws && io::stdin().is_terminal()).then(|| tcgetattr(io::stdin()).ok()).flatten();
        let keyboard = before.filter(|before| {
            let mut keys = before.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(io::stdin(), OptionalActions::Now, &keys).is_ok()
        });
        if draws {
            // What cannot be written now fails when it is drawn.
            let _ = terminal::print(ENTER);
        }
        Self { keyboard, draws }
    }

    /// Whether a person sees the screen that is drawn.
    #[must_use]
    pub const fn draws(&self) -> bool {
        self.draws
    }

    /// Draws the screen anew, as much of the text as fits on it.
    ///
    /// # Errors
    /// [`ClientError`], as when nobody reads it.
    pub fn draw(&self, text: &str) -> Result<(), ClientError> {
        let known = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 1);
        terminal::print(&screen(text, known.unwrap_or(USUAL_HEIGHT)))
    }

    /// Waits; whether somebody wants it to end.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let Ok(time) = Timespec::try_from(time) else { return true };
        let stdin = io::stdin();
        let mut keys = [PollFd::new(&stdin, PollFlags::IN)];
        let listened: &mut [PollFd<'_>] = if self.keyboard.is_some() { &mut keys } else { &mut [] };
        match poll(listened, Some(&time)) {
            Ok(0) | Err(_) => false,
            Ok(_) => {
                let mut key = [0; 16];
                match rustix::io::read(&stdin, &mut key) {
                    Ok(0) | Err(_) => true,
                    Ok(count) => key.iter().take(count).any(|key| ENDS.contains(key)),
                }
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.draws {
            let _ = io::stdout().lock().write_all(LEAVE.as_bytes()).and_then(|()| io::stdout().flush());
        }
        if let Some(before) = &self.keyboard {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// What draws a text over whatever the screen shows, without a flicker.
fn screen(text: &str, height: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = if lines.len() > height { height - 1 } else { lines.len() };
    let mut out = "\u{1b}[H".to_owned();
    for line in lines.iter().take(shown) {
        out.push_str(line);
        out.push_str("\u{1b}[K\n");
    }
    if shown < lines.len() {
        out.push_str(&format!("and {} more lines\u{1b}[K", lines.len() - shown));
    }
    out.push_str("\u{1b}[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_drawn_over_the_one_before_and_says_what_does_not_fit() {
        assert_eq!(screen("a\nb\n", 24), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        let cut = screen("1\n2\n3\n4\n", 3);
        assert_eq!(cut, "\u{1b}[H1\u{1b}[K\n2\u{1b}[K\nand 2 more lines\u{1b}[K\u{1b}[J");
    }
}

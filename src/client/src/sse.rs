//! Reads server-sent events from bytes as they arrive, as the HTML standard (9.2) describes the format. Pure.

use std::time::Duration;

/// The longest line and the largest event that are accepted; a document is at most 1 MiB.
const LARGEST: usize = 8 << 20;

/// An event, as far as one was dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What kind of event.
    pub(crate) name: String,
    /// Where to go on behind it.
    pub(crate) id: Option<String>,
    /// Its content.
    pub(crate) data: String,
}

/// More came without an end than an event may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// A stream of events, cut anywhere into pieces.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    begun: bool,
    name: String,
    data: String,
    has_data: bool,
    /// The id that counts for resuming: the last one of an event that was dispatched.
    pub(crate) last_id: Option<String>,
    id: Option<String>,
    /// How long to wait before connecting again, if the server said so.
    pub(crate) retry: Option<Duration>,
}

impl Parser {
    /// At the start of a stream that goes on behind the event with this id.
    pub(crate) fn resume(last_id: Option<String>, retry: Option<Duration>) -> Self {
        Self { last_id, retry, ..Self::default() }
    }

    /// Takes the next bytes and gives the events that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = vec![];
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.take_line(&line, &mut events);
                }
                byte => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
            if self.line.len() + self.data.len() > LARGEST {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let mut text = String::from_utf8_lossy(line);
        if !std::mem::replace(&mut self.begun, true)
            && let Some(rest) = text.strip_prefix('\u{FEFF}')
        {
            text = rest.to_owned().into();
        }
        if text.is_empty() {
            return self.dispatch(events);
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            // Comments, whose field is empty, and whatever later versions send.
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        if let Some(id) = &self.id {
            self.last_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if std::mem::take(&mut self.has_data) {
            let name = if name.is_empty() { "message".to_owned() } else { name };
            events.push(Event { name, id: self.last_id.clone(), data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event { name: name.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    const STREAM: &str = "\u{FEFF}: heartbeat\nretry: 2500\n\nid: ab-7\nevent: created\ndata: {\"a\":\ndata: 1}\n\n\
                          data:x\r\nid\r\n\r\nevent: updated\n\nid: ab-9\nevent: reset\rdata\r\rdata: unfinished";

    #[test]
    fn events_have_names_data_and_ids_and_comments_are_passed_over() {
        let mut parser = Parser::default();
        let events = parser.feed(STREAM.as_bytes()).unwrap();
        assert_eq!(
            events,
            [
                event("created", Some("ab-7"), "{\"a\":\n1}"),
                event("message", None, "x"),
                event("reset", Some("ab-9"), "")
            ]
        );
        assert_eq!((parser.last_id.as_deref(), parser.retry), (Some("ab-9"), Some(Duration::from_millis(2500))));
    }

    #[test]
    fn an_event_that_did_not_end_does_not_move_the_place_to_resume() {
        let mut parser = Parser::default();
        parser.feed(b"id: ab-1\ndata: x\n\nid: ab-2\ndata: y\n").unwrap();
        assert_eq!(parser.last_id.as_deref(), Some("ab-1"));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'a'; 1 << 20];
        let outcome: Vec<_> = (0..9).map(|_| parser.feed(&piece)).collect();
        assert_eq!(outcome.last(), Some(&Err(TooLarge)));
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_the_bytes_are_cut(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut parser, mut events, mut from) = (Parser::default(), vec![], 0);
            for to in cuts.into_iter().chain([STREAM.len()]) {
                events.extend(parser.feed(&STREAM.as_bytes()[from..to]).unwrap());
                from = to;
            }
            prop_assert_eq!(events, Parser::default().feed(STREAM.as_bytes()).unwrap());
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>) {
            let _ = Parser::default().feed(&bytes);
        }
    }
}

//! Texts that come again and again on a stream, each said once: ids, and names of attributes. Both ends count them alike.

use std::collections::BTreeMap;

use super::bounds::DICTIONARY;
use super::words::Word;

/// The longest word, in bytes. Longer ones are sent each time, and are in no dictionary.
const LONGEST: usize = 256;

/// The end that speaks.
#[derive(Debug, Default)]
pub struct Speaker {
    numbers: BTreeMap<String, u32>,
}

impl Speaker {
    /// The word for a text.
    pub fn say(&mut self, text: &str) -> Word {
        if let Some(number) = self.numbers.get(text) {
            return Word::Known(*number);
        }
        if text.len() <= LONGEST {
            if self.numbers.len() >= DICTIONARY {
                self.numbers.clear();
            }
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            self.numbers.insert(text.to_owned(), next);
        }
        Word::New(text.to_owned())
    }
}

/// The end that listens.
#[derive(Debug, Default)]
pub struct Listener {
    texts: Vec<String>,
}

impl Listener {
    /// The text of a word; none where it was never said.
    pub fn hear(&mut self, word: Word) -> Option<String> {
        match word {
            Word::Known(number) => self.texts.get(usize::try_from(number).ok()?).cloned(),
            Word::New(text) => {
                if text.len() <= LONGEST {
                    if self.texts.len() >= DICTIONARY {
                        self.texts.clear();
                    }
                    self.texts.push(text.clone());
                }
                Some(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_understood_also_when_the_dictionary_begins_anew() {
        let (mut speaker, mut listener) = (Speaker::default(), Listener::default());
        let long = "x".repeat(300);
        for round in 0..3 {
            for number in 0..DICTIONARY / 2 + 100 {
                let text = format!("device/{}", (number * 7 + round) % 20_000);
                for text in [text.as_str(), "ramFree", &long] {
                    assert_eq!(listener.hear(speaker.say(text)).as_deref(), Some(text));
                }
            }
        }
        assert!(listener.texts.len() <= DICTIONARY && speaker.numbers.len() <= DICTIONARY);
    }

    #[test]
    fn a_number_that_was_never_given_is_nothing() {
        assert_eq!(Listener::default().hear(Word::Known(0)), None);
    }
}

//! How much experiments take up: of one owner, and in all.

use mf2c_domain::testbed::aspect;
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::outline::Outline;
use tokio::sync::MutexGuard;

use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{Held, picked};

/// The most experiments that this agent keeps, and that one user owns.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 500;
/// The most bytes of aspects, as they are stored, that this agent keeps, and that one user owns.
const MOST_BYTES: usize = 256 << 20;
const MOST_BYTES_OF_ONE: usize = 16 << 20;

/// What there is besides the experiment that is about to be stored. Nobody else adds anything while this is held.
pub(super) struct Stock<'a> {
    counted: Counted,
    _counting: MutexGuard<'a, ()>,
}

#[derive(Default)]
struct Counted {
    all: Taken,
    own: Taken,
}

#[derive(Default)]
struct Taken {
    experiments: usize,
    bytes: usize,
}

impl Taken {
    fn add(&mut self, bytes: usize) {
        self.experiments += 1;
        self.bytes += bytes;
    }
}

impl<'a> Stock<'a> {
    /// Counts what others there are than `besides`, of everybody and in the room of `user`.
    pub(super) async fn count(call: &'a Call<'_>, user: &str, besides: &str) -> Result<Self, Fault> {
        let counting = call.door.counting.lock().await;
        let besides = besides.to_owned();
        let others = move |held: Held<Outline>| {
            let Outline { experiment, bytes } = held.value;
            (experiment.experiment_id != besides).then(|| (experiment.room_of().to_owned(), bytes))
        };
        let mut counted = Counted::default();
        for (other, bytes) in picked(call.exchange.api, "experiment", others).await? {
            counted.add(bytes, other == user);
        }
        Ok(Self { counted, _counting: counting })
    }

    /// Whether there is room for one more.
    pub(super) fn admit(&self, experiment: &Experiment) -> Result<(), Fault> {
        self.counted.admit(aspect::weight(&experiment.aspects))
    }
}

/// What keeps a change of an experiment's aspects within the room that there is.
pub(super) struct Growth<'a>(Option<Stock<'a>>);

impl<'a> Growth<'a> {
    /// Counts what others take up, where the change brings data at all.
    pub(super) async fn of(call: &'a Call<'_>, held: &Held<Experiment>, brings_data: bool) -> Result<Self, Fault> {
        let Held { value: experiment, .. } = held;
        Ok(Self(match brings_data {
            true => Some(Stock::count(call, experiment.room_of(), &experiment.experiment_id).await?),
            false => None,
        }))
    }

    /// Changes an experiment, if there is room for what it has more than before.
    pub(super) fn within<T>(
        &self,
        experiment: &mut Experiment,
        change: impl FnOnce(&mut Experiment) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let before = aspect::weight(&experiment.aspects);
        let changed = change(experiment)?;
        let after = aspect::weight(&experiment.aspects);
        if let Some(stock) = self.0.as_ref().filter(|_| after > before) {
            stock.counted.admit_bytes(after)?;
        }
        Ok(changed)
    }
}

impl Counted {
    fn add(&mut self, bytes: usize, is_own: bool) {
        self.all.add(bytes);
        if is_own {
            self.own.add(bytes);
        }
    }

    fn admit(&self, bytes: usize) -> Result<(), Fault> {
        if self.all.experiments < MOST && self.own.experiments < MOST_OF_ONE {
            return self.admit_bytes(bytes);
        }
        let text = format!("there are too many experiments: {MOST} in all and {MOST_OF_ONE} of one owner are accepted");
        Err(Fault::request(text))
    }

    fn admit_bytes(&self, bytes: usize) -> Result<(), Fault> {
        if self.all.bytes + bytes <= MOST_BYTES && self.own.bytes + bytes <= MOST_BYTES_OF_ONE {
            return Ok(());
        }
        let mib = |bytes: usize| (bytes >> 20) / 4 * 3;
        Err(Fault::request(format!(
            "the aspects of all experiments are too large: {} MiB in all and {} MiB of one owner are accepted",
            mib(MOST_BYTES),
            mib(MOST_BYTES_OF_ONE)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(experiments: usize, bytes: usize, is_own: bool) -> Counted {
        let mut counted = Counted::default();
        (0..experiments).for_each(|_| counted.add(bytes, is_own));
        counted
    }

    #[test]
    fn an_owner_has_room_for_so_many_and_so_much_and_all_have_too() {
        assert!(counted(MOST_OF_ONE - 1, 0, true).admit(0).is_ok() && counted(MOST_OF_ONE, 0, true).admit(0).is_err());
        assert!(counted(MOST - 1, 0, false).admit(0).is_ok() && counted(MOST, 0, false).admit(0).is_err());
        let full = counted(7, MOST_BYTES_OF_ONE / 8, true);
        assert!(full.admit(MOST_BYTES_OF_ONE / 8).is_ok() && full.admit(MOST_BYTES_OF_ONE / 8 + 1).is_err());
        let full = counted(255, MOST_BYTES / 256, false);
        assert!(full.admit_bytes(MOST_BYTES / 256).is_ok() && full.admit_bytes(MOST_BYTES / 256 + 1).is_err());
        // What is full takes what has no bytes.
        assert!(counted(8, MOST_BYTES_OF_ONE / 8, true).admit(0).is_ok());
    }
}

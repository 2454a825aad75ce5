//! On which resources a service leans, in the numbers of the original's categories (`spec` 4.4).

/// The four numbers of a service: how much it uses of each, from 0 to 1. Thresholds have the same form.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Leanings {
    /// Processor.
    pub cpu: f64,
    /// Main memory.
    pub memory: f64,
    /// Disk.
    pub disk: f64,
    /// Network.
    pub network: f64,
}

impl Leanings {
    fn all(self) -> [f64; 4] {
        [self.cpu, self.memory, self.disk, self.network]
    }

    /// Whether anything is known of the service.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.all().into_iter().any(|value| value > 0.0)
    }
}

/// The original's numbers for the sets of resources that are high; bits: processor 1, memory 2, disk 4, network 8.
const NUMBERS: [u8; 16] = [0, 1, 2, 5, 3, 6, 8, 11, 4, 7, 9, 12, 10, 13, 14, 15];

/// The category, 0 to 15: which resources reach their thresholds.
#[must_use]
pub fn category(service: Leanings, thresholds: Leanings) -> u8 {
    let pairs = service.all().into_iter().zip(thresholds.all()).enumerate();
    let high = pairs.filter(|(_, (value, threshold))| value >= threshold).map(|(bit, _)| 1 << bit).sum::<usize>();
    NUMBERS.get(high).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: Leanings = Leanings { cpu: 0.7, memory: 0.7, disk: 0.7, network: 0.7 };

    #[test]
    fn the_numbers_are_those_of_the_original() {
        let sets = ["", "c", "m", "d", "n", "cm", "cd", "cn", "md", "mn", "dn", "cmd", "cmn", "cdn", "mdn", "cmdn"];
        for (number, set) in sets.iter().enumerate() {
            let value = |letter: char| if set.contains(letter) { 0.7 } else { 0.69 };
            let service = Leanings { cpu: value('c'), memory: value('m'), disk: value('d'), network: value('n') };
            assert_eq!(usize::from(category(service, HIGH)), number, "{set}");
        }
    }

    #[test]
    fn k1_to_k6_hold_or_differ_as_they_should() {
        let of = |cpu, memory, disk, network| category(Leanings { cpu, memory, disk, network }, HIGH);
        assert_eq!(of(0.0, 0.0, 0.0, 0.0), 0, "K1");
        // K2: there, services were only told apart from the seventeenth on; a category depends on its own service alone.
        for services in [1, 16, 17] {
            let all: Vec<u8> = (0..services).map(|_| of(0.7, 0.0, 0.0, 0.0)).collect();
            assert!(all.iter().all(|category| *category == 1), "K2 {services}");
        }
        assert_eq!(of(0.7, 0.0, 0.0, 0.0), 1, "K3");
        assert_eq!(of(0.7, 0.9, 1.0, 0.7), 15, "K4");
        assert_eq!(of(0.69, 0.69, 0.69, 0.69), 0, "K5");
        // K6: there, one missing number ended the categorizer; it is taken as low, and others have theirs.
        assert_eq!((of(f64::NAN, 0.7, 0.7, 0.7), of(0.7, 0.7, 0.7, 0.7)), (14, 15), "K6");
    }

    #[test]
    fn what_is_no_number_is_not_high_and_nothing_is_not_known() {
        assert_eq!(category(Leanings { cpu: f64::NAN, ..HIGH }, HIGH), 14);
        assert!(!Leanings::default().is_known());
        assert!(Leanings { disk: 0.1, ..Leanings::default() }.is_known());
    }
}

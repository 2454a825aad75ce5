//! The language of constraints, such as `execution_time < 10 && availability > 99`.

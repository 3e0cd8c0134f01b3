//! What the figures depend on: the machine, and who else used it meanwhile.

use crate::process;
use std::fs;
use std::time::Instant;

/// The machine at the start of a run.
pub struct Machine {
    cores: usize,
    load_average: f64,
    pinned: bool,
    started: Instant,
    busy: f64,
}

/// What is to be said about a run after it.
pub struct Verdict {
    /// One line for people.
    pub line: String,
    /// What makes the figures doubtful.
    pub warnings: Vec<String>,
    /// Number of cores.
    pub cores: usize,
    /// Load average over a minute when the run began.
    pub load_average: f64,
    /// CPU that other processes used during the run, in percent of one core.
    pub other_cpu_percent: f64,
}

impl Machine {
    /// Looks at the machine before anything runs. `ours` is the CPU seconds that this run is to answer for so far.
    pub fn look(ours: f64) -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let cores = stat
            .lines()
            .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
            .count();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cores,
            load_average: load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0),
            pinned: process::can_pin(),
            started: Instant::now(),
            busy: busy_seconds() - ours,
        }
    }

    /// Looks again. `ours` is the CPU seconds of this process and of all its children.
    pub fn verdict(&self, ours: f64) -> Verdict {
        let elapsed = self.started.elapsed().as_secs_f64();
        let others = (busy_seconds() - ours - self.busy).max(0.0) / elapsed * 100.0;
        let profile = if cfg!(debug_assertions) {
            "debug build"
        } else {
            "release build"
        };
        let line = format!(
            "{} cores ({}), load average {:.2} at the start, other processes used {others:.0} % of a core, {profile}",
            self.cores,
            cpu_model(),
            self.load_average
        );
        let mut warnings = Vec::new();
        if others > 10.0 {
            warnings.push(format!(
                "other processes used {others:.0} % of a core meanwhile: compare ratios, not figures"
            ));
        }
        if !self.pinned {
            warnings.push("server and generator share their cores (one core, or no taskset)".into());
        }
        if cfg!(debug_assertions) {
            warnings.push("this is a debug build: the figures mean nothing".into());
        }
        Verdict {
            line,
            warnings,
            cores: self.cores,
            load_average: self.load_average,
            other_cpu_percent: others,
        }
    }
}

/// CPU seconds that processes of this machine have used: user, nice and system. Interrupts belong to nobody.
fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: u64 = line
        .split_whitespace()
        .skip(1)
        .take(3)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// CPU seconds of this process and its ended children (fields 14 to 17 of its stat).
pub fn our_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name"));
    line.and_then(|l| l.split_once(':'))
        .map_or("unknown".into(), |(_, name)| name.trim().to_owned())
}

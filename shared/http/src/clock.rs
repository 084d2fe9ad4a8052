//! The one clock of this crate: everything that waits, or asks how long something took, asks it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{self, Instant};

/// Tells the time and waits for it. Tests bring one that they move by hand.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The time of the runtime.
    #[default]
    Real,
    /// A time that only a test moves.
    #[cfg(feature = "testing")]
    Manual(ManualClock),
}

impl Clock {
    /// Returns the present moment.
    pub fn now(&self) -> Instant {
        match self {
            Clock::Real => Instant::now(),
            #[cfg(feature = "testing")]
            Clock::Manual(clock) => clock.now(),
        }
    }

    /// Returns the present time of day.
    pub fn timestamp(&self) -> Timestamp {
        match self {
            Clock::Real => Timestamp::now(),
            #[cfg(feature = "testing")]
            Clock::Manual(clock) => clock.began_at + (clock.now() - clock.began),
        }
    }

    /// Waits until a moment has come.
    pub async fn sleep_until(&self, moment: Instant) {
        match self {
            Clock::Real => time::sleep_until(moment).await,
            #[cfg(feature = "testing")]
            Clock::Manual(clock) => clock.reach(moment).await,
        }
    }

    /// Waits for so long.
    pub async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now() + length).await;
    }

    /// Waits for a future until a moment; nothing where that comes first.
    pub async fn until<T>(&self, moment: Instant, future: impl Future<Output = T>) -> Option<T> {
        match self {
            Clock::Real => time::timeout_at(moment, future).await.ok(),
            #[cfg(feature = "testing")]
            Clock::Manual(clock) => tokio::select! {
                biased;
                output = future => Some(output),
                () = clock.reach(moment) => None,
            },
        }
    }

    /// Waits for a future for so long; nothing where the time is over first.
    pub async fn within<T>(&self, length: Duration, future: impl Future<Output = T>) -> Option<T> {
        self.until(self.now() + length, future).await
    }
}

/// A clock that stands still until a test moves it. Its copies are one clock.
#[cfg(feature = "testing")]
#[derive(Debug, Clone)]
pub struct ManualClock {
    began: Instant,
    began_at: Timestamp,
    now: std::sync::Arc<tokio::sync::watch::Sender<Instant>>,
}

#[cfg(feature = "testing")]
impl ManualClock {
    /// Moves it on; sleeps that end by then end.
    pub fn advance(&self, length: Duration) {
        self.now.send_modify(|now| *now += length);
    }

    /// Returns the moment to which it was moved.
    pub fn now(&self) -> Instant {
        *self.now.borrow()
    }

    async fn reach(&self, moment: Instant) {
        // The sender is held here, so this ends only when the moment has come.
        let _ = self.now.subscribe().wait_for(|now| *now >= moment).await;
    }
}

#[cfg(feature = "testing")]
impl Default for ManualClock {
    fn default() -> ManualClock {
        let began = Instant::now();
        ManualClock {
            began,
            began_at: Timestamp::now(),
            now: tokio::sync::watch::Sender::new(began).into(),
        }
    }
}

#[cfg(feature = "testing")]
impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Clock {
        Clock::Manual(clock)
    }
}

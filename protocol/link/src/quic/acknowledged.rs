//! Whether the peer still hears us: how often it has acknowledged something that it had not acknowledged before.
//!
//! ACK frames say less. A peer that hears nothing any more goes on sending them with whatever it repeats, about what it heard last.
//! Only a congestion controller is told of what is new, so this is one; what it decides is Cubic's.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::{RttEstimator, TransportConfig};

/// The count, which the connection goes on counting.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged(Arc<AtomicU64>);

impl Acknowledged {
    /// From now on counted for connections with this configuration, whose congestion is Cubic's as configured.
    pub fn count(config: &mut TransportConfig, cubic: CubicConfig) -> Acknowledged {
        let count = Acknowledged::default();
        let factory = Counting { cubic: Arc::new(cubic), count: count.clone() };
        config.congestion_controller_factory(Arc::new(factory));
        count
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counting {
    cubic: Arc<CubicConfig>,
    count: Acknowledged,
}

impl ControllerFactory for Counting {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let cubic = self.cubic.clone().build(now, current_mtu);
        Box::new(Counted { cubic, count: self.count.clone() })
    }
}

struct Counted {
    cubic: Box<dyn Controller>,
    count: Acknowledged,
}

impl Controller for Counted {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.cubic.on_congestion_event(now, sent, is_persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Counted { cubic: self.cubic.clone_box(), count: self.count.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

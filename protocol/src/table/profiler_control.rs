//! The chapter "Profiler Control". What a row says: [`crate::table`].

#[macro_export]
macro_rules! profiler_control { ($then:ident) => { $then! {
    chapter "Profiler Control";

    /// Sets a profiler up.
    #[since(4000)] deny fn cuProfilerInitialize(configFile: In<Path>, outputFile: In<Path>, outputMode: Enum<CUoutput_mode>);
    /// Has a profiler begin to record.
    #[since(4000)] here fn cuProfilerStart();
    /// Has a profiler cease to record.
    #[since(4000)] here fn cuProfilerStop();
} } }

//! The chapter "Event Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! event_management { ($then:ident) => { $then! {
    chapter "Event Management";

    /// Creates an event.
    #[since(2000)] hand fn cuEventCreate(phEvent: Out<Event> = new, Flags: u32); // the shim chooses the id and remembers the flags
    /// Records what a stream has been given so far.
    #[since(2000)] tell fn cuEventRecord | cuEventRecord_ptsz (hEvent: Event, hStream: Stream);
    /// Records what a stream has been given so far, with flags.
    #[since(11010)] tell fn cuEventRecordWithFlags | cuEventRecordWithFlags_ptsz (hEvent: Event, hStream: Stream, flags: u32);
    /// Whether what an event recorded is done.
    #[since(2000)] ask fn cuEventQuery(hEvent: Event);
    /// Waits for what an event recorded.
    #[since(2000)] hand fn cuEventSynchronize(hEvent: Event); // other threads go on while this one waits
    /// Destroys an event.
    #[since(4000)] hand fn cuEventDestroy_v2(hEvent: Event = gone); // the shim forgets what it remembered
    /// Destroys an event, as before CUDA 4.0.
    #[since(2000)] hand fn cuEventDestroy(hEvent: Event = gone); // the shim forgets what it remembered
    /// Milliseconds between two events.
    #[since(12080)] ask fn cuEventElapsedTime_v2(pMilliseconds: Out<f32>, hStart: Event, hEnd: Event);
    /// Milliseconds between two events, as before CUDA 12.8.
    #[since(2000)] ask fn cuEventElapsedTime(pMilliseconds: Out<f32>, hStart: Event, hEnd: Event);
} } }

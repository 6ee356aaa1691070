//! The chapter "Primary Context Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! primary_context_management {
    ($then:ident) => {
        $then! {
            chapter "Primary Context Management";

            /// Takes a reference on a device's primary context, and makes it if there is none.
            #[since(7000)] hand fn cuDevicePrimaryCtxRetain(pctx: Out<Context> = new, dev: Device); // the shim keeps contexts and each thread's stack of them
            /// Gives a reference on a primary context back.
            #[since(11000)] hand fn cuDevicePrimaryCtxRelease_v2(dev: Device); // the shim keeps contexts and each thread's stack of them
            /// Gives a reference on a primary context back, as before CUDA 11.0.
            #[since(7000)] hand fn cuDevicePrimaryCtxRelease(dev: Device); // the shim keeps contexts and each thread's stack of them
            /// Sets the flags of a primary context.
            #[since(11000)] hand fn cuDevicePrimaryCtxSetFlags_v2(dev: Device, flags: u32); // the shim keeps contexts and each thread's stack of them
            /// Sets the flags of a primary context, as before CUDA 11.0.
            #[since(7000)] hand fn cuDevicePrimaryCtxSetFlags(dev: Device, flags: u32); // the shim keeps contexts and each thread's stack of them
            /// The flags of a primary context, and whether it is alive.
            #[since(7000)] here fn cuDevicePrimaryCtxGetState(dev: Device, flags: Out<u32>, active: Out<i32>);
            /// Destroys all that a primary context holds.
            #[since(11000)] hand fn cuDevicePrimaryCtxReset_v2(dev: Device); // the shim keeps contexts and each thread's stack of them
            /// Destroys all that a primary context holds, as before CUDA 11.0.
            #[since(7000)] hand fn cuDevicePrimaryCtxReset(dev: Device); // the shim keeps contexts and each thread's stack of them
        }
    };
}

//! The chapter "Library Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! library_management { ($then:ident) => { $then! {
    chapter "Library Management";

    /// Loads a library, which is of no context, from memory.
    #[since(12000)] hand fn cuLibraryLoadData( // the length is inside the image
        library: Out<Library> = new, code: In<Image>, jitOptions: Option<In<Enum<CUjit_option>>>[numJitOptions as usize],
        jitOptionsValues: Option<In<HostPtr>>[numJitOptions as usize], numJitOptions: u32,
        libraryOptions: Option<In<Enum<CUlibraryOption>>>[numLibraryOptions as usize],
        libraryOptionValues: Option<In<HostPtr>>[numLibraryOptions as usize], numLibraryOptions: u32,
    );
    /// Loads a library from a file of the client's.
    #[since(12000)] hand fn cuLibraryLoadFromFile( // the file is the client's
        library: Out<Library> = new, fileName: In<Path>, jitOptions: Option<In<Enum<CUjit_option>>>[numJitOptions as usize],
        jitOptionsValues: Option<In<HostPtr>>[numJitOptions as usize], numJitOptions: u32,
        libraryOptions: Option<In<Enum<CUlibraryOption>>>[numLibraryOptions as usize],
        libraryOptionValues: Option<In<HostPtr>>[numLibraryOptions as usize], numLibraryOptions: u32,
    );
    /// Unloads a library and all that came from it.
    #[since(12000)] hand fn cuLibraryUnload(library: Library = gone); // what came from it dies with it, here too
    /// Finds a kernel in a library.
    #[since(12000)] hand fn cuLibraryGetKernel( // the shim knows what the image holds
        pKernel: Out<Kernel> = new in library, library: Library, name: In<Text>,
    );
    /// How many kernels a library has.
    #[since(12040)] hand fn cuLibraryGetKernelCount(count: Out<u32>, lib: Library); // the shim knows what the image holds
    /// The kernels of a library.
    #[since(12040)] hand fn cuLibraryEnumerateKernels( // the shim knows what the image holds
        kernels: Out<Kernel>[numKernels as usize] = new in lib, numKernels: u32, lib: Library,
    );
    /// The module that a library is in the current context.
    #[since(12000)] hand fn cuLibraryGetModule(pMod: Out<Module> = new in library, library: Library); // the shim knows what the image holds
    /// The function that a kernel is in the current context.
    #[since(12000)] hand fn cuKernelGetFunction(pFunc: Out<Function> = new in kernel, kernel: Kernel); // the shim knows what the image holds
    /// The library that a kernel came from.
    #[since(12050)] here fn cuKernelGetLibrary(pLib: Out<Library>, kernel: Kernel);
    /// The address and size of a library's variable in the current context.
    #[since(12000)] hand fn cuLibraryGetGlobal( // the shim holds the range that the driver chose
        dptr: Option<Out<DevPtr>> = new in library, bytes: Option<Out<usize>>, library: Library, name: In<Text>,
    );
    /// The address and size of a library's managed variable.
    #[since(12000)] hand fn cuLibraryGetManaged( // its bytes are here as well
        dptr: Option<Out<DevPtr>> = new in library, bytes: Option<Out<usize>>, library: Library, name: In<Text>,
    );
    /// The address of a function that has one address everywhere.
    #[since(12000)] deny fn cuLibraryGetUnifiedFunction(fptr: Out<HostPtr>, library: Library, symbol: In<Text>);
    /// One number about a kernel on a device.
    #[since(12000)] hand fn cuKernelGetAttribute( // the shim knows what the image holds
        pi: Out<i32>, attrib: Enum<CUfunction_attribute>, kernel: Kernel, dev: Device,
    );
    /// Sets one number of a kernel on a device.
    #[since(12000)] ask fn cuKernelSetAttribute(attrib: Enum<CUfunction_attribute>, val: i32, kernel: Kernel, dev: Device);
    /// Prefers L1 cache or shared memory for a kernel on a device.
    #[since(12000)] ask fn cuKernelSetCacheConfig(kernel: Kernel, config: Enum<CUfunc_cache>, dev: Device);
    /// A kernel's name, as its image spells it.
    #[since(12030)] here fn cuKernelGetName(name: Out<In<Text>>, hfunc: Kernel);
    /// Where a kernel's parameter stands, and its size.
    #[since(12040)] hand fn cuKernelGetParamInfo( // the shim knows what the image holds
        kernel: Kernel, paramIndex: usize, paramOffset: Out<usize>, paramSize: Option<Out<usize>>,
    );
    /// How many parameters a kernel has.
    #[since(13020)] hand fn cuKernelGetParamCount(kernel: Kernel, paramCount: Out<usize>); // the shim knows what the image holds
} } }

//! The chapter "Module Management". What a row says: [`crate::table`].

#[macro_export]
macro_rules! module_management { ($then:ident) => { $then! {
    chapter "Module Management";

    /// Loads a module from a file of the client's.
    #[since(2000)] hand fn cuModuleLoad(module: Out<Module> = new, fname: In<Path>); // the file is the client's
    /// Loads a module from memory.
    #[since(2000)] hand fn cuModuleLoadData(module: Out<Module> = new, image: In<Image>); // the length is inside the image
    /// Loads a module from memory, with options for the compiler.
    #[since(2010)] hand fn cuModuleLoadDataEx( // the length is inside the image
        module: Out<Module> = new, image: In<Image>, numOptions: u32, options: Option<In<Enum<CUjit_option>>>[numOptions as usize],
        optionValues: Option<In<HostPtr>>[numOptions as usize],
    );
    /// Loads a module from a fatbin in memory.
    #[since(2000)] hand fn cuModuleLoadFatBinary(module: Out<Module> = new, fatCubin: In<Image>); // the length is inside the image
    /// Unloads a module and all that came from it.
    #[since(2000)] hand fn cuModuleUnload(hmod: Module = gone); // what came from it dies with it, here too
    /// Whether modules are loaded lazily.
    #[since(11070)] here fn cuModuleGetLoadingMode(mode: Out<Enum<CUmoduleLoadingMode>>);
    /// Finds a kernel in a module.
    #[since(2000)] hand fn cuModuleGetFunction( // the shim knows what the image holds
        hfunc: Out<Function> = new in hmod, hmod: Module, name: In<Text>,
    );
    /// How many kernels a module has.
    #[since(12040)] hand fn cuModuleGetFunctionCount(count: Out<u32>, mod_: Module); // the shim knows what the image holds
    /// The kernels of a module.
    #[since(12040)] hand fn cuModuleEnumerateFunctions( // the shim knows what the image holds
        functions: Out<Function>[numFunctions as usize] = new in mod_, numFunctions: u32, mod_: Module,
    );
    /// The address and size of a module's variable.
    #[since(3020)] hand fn cuModuleGetGlobal_v2( // the shim holds the range that the driver chose
        dptr: Option<Out<DevPtr>> = new in hmod, bytes: Option<Out<usize>>, hmod: Module, name: In<Text>,
    );
    /// The address and size of a module's variable, in 32-bit sizes.
    #[since(2000)] deny fn cuModuleGetGlobal(dptr: Option<Out<DevPtrV1>> = new in hmod, bytes: Option<Out<u32>>, hmod: Module, name: In<Text>);
    /// Begins to link.
    #[since(6050)] hand fn cuLinkCreate_v2( // inputs go up in pieces, and the result stays here
        numOptions: u32, options: Option<In<Enum<CUjit_option>>>[numOptions as usize],
        optionValues: Option<In<HostPtr>>[numOptions as usize], stateOut: Out<LinkState> = new,
    );
    /// Begins to link, as before CUDA 6.5.
    #[since(5050)] hand fn cuLinkCreate( // inputs go up in pieces, and the result stays here
        numOptions: u32, options: Option<In<Enum<CUjit_option>>>[numOptions as usize],
        optionValues: Option<In<HostPtr>>[numOptions as usize], stateOut: Out<LinkState> = new,
    );
    /// Adds an image in memory to what is linked.
    #[since(6050)] hand fn cuLinkAddData_v2( // inputs go up in pieces, and the result stays here
        state: LinkState, type_: Enum<CUjitInputType>, data: In<Bytes>[size], size: usize, name: Option<In<Text>>, numOptions: u32,
        options: Option<In<Enum<CUjit_option>>>[numOptions as usize], optionValues: Option<In<HostPtr>>[numOptions as usize],
    );
    /// Adds an image in memory to what is linked, as before CUDA 6.5.
    #[since(5050)] hand fn cuLinkAddData( // inputs go up in pieces, and the result stays here
        state: LinkState, type_: Enum<CUjitInputType>, data: In<Bytes>[size], size: usize, name: Option<In<Text>>, numOptions: u32,
        options: Option<In<Enum<CUjit_option>>>[numOptions as usize], optionValues: Option<In<HostPtr>>[numOptions as usize],
    );
    /// Adds an image in a file to what is linked.
    #[since(6050)] hand fn cuLinkAddFile_v2( // inputs go up in pieces, and the result stays here
        state: LinkState, type_: Enum<CUjitInputType>, path: In<Path>, numOptions: u32,
        options: Option<In<Enum<CUjit_option>>>[numOptions as usize], optionValues: Option<In<HostPtr>>[numOptions as usize],
    );
    /// Adds an image in a file to what is linked, as before CUDA 6.5.
    #[since(5050)] hand fn cuLinkAddFile( // inputs go up in pieces, and the result stays here
        state: LinkState, type_: Enum<CUjitInputType>, path: In<Path>, numOptions: u32,
        options: Option<In<Enum<CUjit_option>>>[numOptions as usize], optionValues: Option<In<HostPtr>>[numOptions as usize],
    );
    /// Links, and lends the cubin for as long as the link lives.
    #[since(5050)] hand fn cuLinkComplete(state: LinkState, cubinOut: Out<HostPtr>, sizeOut: Option<Out<usize>>); // inputs go up in pieces, and the result stays here
    /// Ends a link, and takes its cubin back.
    #[since(5050)] hand fn cuLinkDestroy(state: LinkState = gone); // inputs go up in pieces, and the result stays here

    // Deprecated.

    /// Finds a texture reference in a module.
    #[since(2000)] deny fn cuModuleGetTexRef(pTexRef: Out<TexRef> = new in hmod, hmod: Module, name: In<Text>);
    /// Finds a surface reference in a module.
    #[since(3000)] deny fn cuModuleGetSurfRef(pSurfRef: Out<SurfRef> = new in hmod, hmod: Module, name: In<Text>);
} } }

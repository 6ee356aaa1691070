//! The chapter "Fabric Clique Information". What a row says: [`crate::table`].

#[macro_export]
macro_rules! fabric_clique_information { ($then:ident) => { $then! {
    chapter "Fabric Clique Information";

    /// The UUID of the fabric cluster that a device belongs to.
    #[since(13040)] deny fn cuDeviceGetFabricClusterUuid(uuid: Out<Struct<CUuuid>>, dev: Device);
    /// How many cliques of the fabric a device belongs to.
    #[since(13040)] deny fn cuDeviceGetCliqueCount(count: Out<usize>, dev: Device);
    /// The cliques of the fabric that a device belongs to.
    #[since(13040)] deny fn cuDeviceGetCliqueInfo(cliqueInfo: Option<Out<Struct<CUcliqueInfo>>>, count: InOut<usize>, dev: Device);
} } }

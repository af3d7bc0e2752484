//! Patches are made from published packs, for the trees that nodes run and the last releases.

use super::*;
use crate::ops::patch::pack_into;
use crate::publish::scan;
use sanaga_proto::pack::Base as _;

impl World {
    /// Publishes a real tree as `shop@VERSION`.
    async fn publish_tree(&self, version: &str, files: &[(&str, String)]) -> Digest {
        let folder = self.context.home.work().join(format!("tree-{version}"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            std::fs::write(folder.join(name), content).unwrap();
        }
        let tree = scan(&folder, &mut |_, _| {}).unwrap();
        let at = self.context.home.work().join(format!("pack-{version}"));
        let (file, upload) = pack_into(&at, None, &tree, &mut |_| {}).unwrap();
        let to = self.context.home.uploads().join(upload.sha256.to_string());
        std::fs::copy(file, to).unwrap();
        let manifest = Manifest {
            root: tree.root(),
            ..self.manifest(version)
        };
        let request = StageRelease {
            environment: "dev".parse().unwrap(),
            manifest: manifest.to_bytes(),
            pack: Some(upload),
            allow_downgrade_from: Vec::new(),
        };
        let staged = self.call(request).await.unwrap();
        self.sign(staged.waits.as_ref().unwrap(), 0).await;
        tree.root()
    }
}

#[tokio::test]
async fn a_patch_is_made_offered_and_counted() {
    let world = World::new(1).await;
    let text: String = (0..4_000)
        .map(|n| format!("line {n} of {}\n", n * n))
        .collect();
    let first = world
        .publish_tree("1", &[("a", text.clone()), ("b", "x".to_owned())])
        .await;
    let second = world
        .publish_tree("2", &[("a", format!("{text}more")), ("b", "x".to_owned())])
        .await;
    let ask = PatchBases {
        app: "shop".parse().unwrap(),
        root: second,
        environment: "dev".parse().unwrap(),
    };
    let bases = world.call(ask.clone()).await.unwrap().bases;
    assert_eq!(bases.len(), 1);
    assert_eq!((bases[0].root, bases[0].version.as_str()), (first, "1"));
    assert_eq!(bases[0].offered_bytes, None);
    let made = world
        .call(MakePatch {
            app: "shop".parse().unwrap(),
            version: "2".parse().unwrap(),
            base: first,
        })
        .await
        .unwrap();
    assert!(made.offered);
    let bases = world.call(ask).await.unwrap().bases;
    assert_eq!(bases[0].offered_bytes, Some(made.bytes));
    let plan = PlanRelease {
        app: "shop".parse().unwrap(),
        version: "2".parse().unwrap(),
        to: None,
    };
    let lines = world.call(plan).await.unwrap().lines;
    let costs: Vec<_> = lines
        .iter()
        .map(|line| (line.from.as_ref().map(ToString::to_string), line.patch))
        .collect();
    assert_eq!(costs, [(None, false), (Some("1".to_owned()), true)]);
    assert!(lines[1].download_bytes < lines[0].download_bytes / 4);
    // Scratch space is empty again.
    let left = std::fs::read_dir(world.context.home.work()).unwrap();
    assert!(
        left.flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with("patch-"))
    );
}

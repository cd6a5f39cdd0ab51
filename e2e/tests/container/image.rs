//! What the images hold, and what they tell an engine.

use crate::podman::{NATIVE_HOST, PLAIN, UNIVERSAL, inspect, podman, run};

/// The files and folders of an image, each with its owner.
fn contents(image: &str) -> Vec<String> {
    let folder = podman(&["image", "mount", image]);
    let list = run(&["find", &folder, "-mindepth", "1", "-printf", "%P %y %U:%G\n"]);
    podman(&["image", "unmount", image]);
    let mut lines: Vec<_> = list.lines().map(Into::into).collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "make test-container runs it"]
fn an_image_holds_the_module_and_a_folder_for_data_and_nothing_else() {
    for (image, file) in [(UNIVERSAL, "dist/todo-universal.wasm"), (PLAIN, "dist/todo.wasm")] {
        assert_eq!(contents(image), ["data d 65534:65534", "todo.wasm f 0:0"], "{image}");
        let folder = podman(&["image", "mount", image]);
        let files = [format!("{folder}/todo.wasm"), format!("/repository/{file}")];
        let sums = run(&["sha256sum", &files[0], &files[1]]);
        podman(&["image", "unmount", image]);
        let sums: Vec<_> = sums.lines().map(|line| line.split(' ').next()).collect();
        assert_eq!(sums[0], sums[1], "{image} has {file}");
    }
}

#[test]
#[ignore = "make test-container runs it"]
fn an_image_tells_engines_how_to_run_it() {
    for image in [UNIVERSAL, PLAIN, NATIVE_HOST] {
        assert_eq!(inspect(image, ".User"), "65534:65534", "{image}");
        assert_eq!(inspect(image, ".Config.StopSignal"), "SIGKILL", "{image}");
        assert_eq!(inspect(image, "json .Config.ExposedPorts"), r#"{"8080/tcp":{}}"#, "{image}");
        assert_eq!(inspect(image, "json .Config.Volumes"), r#"{"/data":{}}"#, "{image}");
        assert_eq!(inspect(image, "json .HealthCheck"), "null", "{image}");
        let title = inspect(image, r#"index .Labels "org.opencontainers.image.title""#);
        assert_eq!(title, "todo", "{image}");
    }
    for image in [UNIVERSAL, PLAIN] {
        assert_eq!(inspect(image, ".Os") + "/" + &inspect(image, ".Architecture"), "wasi/wasm");
        assert_eq!(inspect(image, "json .Config.Entrypoint"), r#"["/todo.wasm"]"#);
    }
    assert_eq!(inspect(NATIVE_HOST, ".Os"), "linux");
}

#[test]
#[ignore = "make test-container runs it"]
fn the_sizes_of_the_images_are_told() {
    println!("image                         unpacked  compressed (bytes)");
    for image in [PLAIN, UNIVERSAL, NATIVE_HOST] {
        let folder = podman(&["image", "mount", image]);
        let unpacked = run(&["find", &folder, "-type", "f", "-printf", "%s\n"]);
        podman(&["image", "unmount", image]);
        let unpacked: u64 = unpacked.lines().map(|size| size.parse::<u64>().unwrap()).sum();
        let archive = "/tmp/image.tar";
        podman(&["save", "--quiet", "--format", "oci-archive", "--output", archive, image]);
        let compressed: u64 = run(&["stat", "--format", "%s", archive]).parse().unwrap();
        run(&["rm", archive]);
        println!("{image:<28}{unpacked:>10}  {compressed:>10}");
        assert!(compressed < unpacked);
    }
}

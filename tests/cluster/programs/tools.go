//go:build tools

// Package tools names the program that is built in this module, by the versions and sums that it locks.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"

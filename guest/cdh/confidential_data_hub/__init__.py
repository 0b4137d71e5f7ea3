"""The Confidential Data Hub: gives workloads their secrets."""

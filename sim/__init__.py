"""The simulation: machines, workloads, traces, reports and the command line."""

"""The rig: real PostgreSQLs, a napping one, a stand-in for Neon, a scripted fake, a certificate authority and a harness for pgwaked.

Everything binds to loopback and lives in a temporary folder; every process is stopped by its own pid, and ends by
itself when the process that started it is gone.
"""

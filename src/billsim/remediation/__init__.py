"""Remediation, as the platform does it by night: driftcontrol, applystripe, auto_resync_www, and the audit of what they attempted.

Its candidates are handed to it, as (account, code, entity); how they are found is no business of its own.
"""

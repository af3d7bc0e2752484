//! Services as they really run: processes of this machine, ended without warning.

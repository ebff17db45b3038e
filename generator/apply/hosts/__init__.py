"""Hosts: looked at, changed by Ansible, drained, left; one run at a time, which may die anywhere."""

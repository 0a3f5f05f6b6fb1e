"""Widgets that pages share. They emit upward and receive data downward; none knows the workplace."""

"""What several tests share: real data, copies of the tree, checks for what a test left behind."""

"""Ways of tuning; a module for each that `contract.methods.METHODS` names."""

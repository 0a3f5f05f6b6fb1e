"""What an adapter can leave as: one module for each row of contract.exports."""

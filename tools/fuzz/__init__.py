"""Random programs: what they are (`program`), what they may say (`forms`), how they are written (`writer`), judged (`checker`) and cut down (`minimise`)."""

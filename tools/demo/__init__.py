"""The main job: two models trained on real data, three ways each."""

"""Pictures of the centre: pages for the wall of a plant room, made of nothing but the model."""

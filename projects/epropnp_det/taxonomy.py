"""The classes of the nuScenes detection benchmark; needs nothing but Python."""

# In the order of the labels: the category of the official tables that stands for each class.
CATEGORIES = {
    'car': 'vehicle.car',
    'truck': 'vehicle.truck',
    'trailer': 'vehicle.trailer',
    'bus': 'vehicle.bus.rigid',
    'construction_vehicle': 'vehicle.construction',
    'bicycle': 'vehicle.bicycle',
    'motorcycle': 'vehicle.motorcycle',
    'pedestrian': 'human.pedestrian.adult',
    'traffic_cone': 'movable_object.trafficcone',
    'barrier': 'movable_object.barrier',
}
CLASSES = tuple(CATEGORIES)

"""What finds objects: a class and a box for each, on the maps of any network (`searchspaces.backbone`).

    efficientdet     D0 to D7 on EfficientNets      Tan, Pang and Le 2020
    ssdlite          on any network                 Sandler et al. 2018, Liu et al. 2016

`heads` has those that stand on any network by their names.
"""

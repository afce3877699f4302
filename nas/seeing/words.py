"""What the page of `nas look` says of each kind of picture: what it shows, whose it is, and what it does not say."""

from __future__ import annotations

from nas.seeing.photographs import INTEGRATED

CAUTION = (
    "Such pictures are hints, and no proofs. They show what raises a number inside the network, and not why it says "
    "what it says: what a person recognises in them may be the person's own. Filters and photographs are a few of "
    "many, drawn by chance. Some methods draw much the same picture of a network with random weights (Adebayo et al. "
    "2018, arXiv:1810.03292, found that of guided backpropagation): look at an untrained one, too, before you conclude "
    "anything."
)
UNTRAINED = "This network is untrained: its weights are random, so no picture here shows anything that it has learned."
NO_FIRST = "Not shown: the network has no first convolution that sees more of the image than one pixel."
FIRST = (
    "Each is the {height}x{width} weights of one of the first layer's {count} filters, as colours: of all patches of "
    "one contrast the one that looks so excites it most (Krizhevsky et al. 2012, figure 3). Each has a contrast of its "
    "own, so strengths cannot be compared. Whether the network makes use of a clear edge or colour is not to be seen."
)
PATCHES = (
    "Patches: what excites some filters of each layer most in {images} validation images, the strongest first, one of "
    "an image; the filters are drawn by chance. A patch is all that the filter can see there, its receptive field; "
    "grey is outside of the image or of that. What a few images have in common is not all that the filter answers to."
)
DECONVNET = (
    "Below each is its deconvnet picture (Zeiler and Fergus 2013, arXiv:1311.2901; by captum): that one activation, "
    "sent back to the pixels through the maxima of the poolings and through ReLUs that let positive numbers alone "
    "back. In colours around grey it shows what in this patch raises the activation; it says nothing of patches on "
    "which the filter is silent."
)
NO_DECONVNET = "The deconvnet's pictures are not shown: {why}."
CLASSES = {
    "left": (
        "an image that maximises the class's {score} less a penalty on its square, by {steps} steps of gradient ascent "
        "from noise (Simonyan et al. 2013, arXiv:1312.6034, equation 1). Its colours are stretched, since it has some "
        "that no image has."
    ),
    "right": (
        "the same, moved by some pixels before each step, blurred now and then, and of real colours (Mordvintsev et "
        "al. 2015; Yosinski et al. 2015, arXiv:1506.06579). That it looks more like something is of these, which are "
        "ours, and not the network's."
    ),
}
CLASSES_CAUTION = (
    "The network takes both for the class, though a person mostly does not: it never learned what is no class."
)
SALIENCY, GUIDED, INTEGRATES, CAM, OCCLUSION = (
    "saliency", "guided backpropagation", "integrated gradients", "Grad-CAM", "occlusion",
)  # fmt: skip
METHODS = {
    SALIENCY: (
        "how much the output changes with each pixel, for the smallest of changes (Simonyan et al. 2013, "
        "arXiv:1312.6034). Not what larger changes would do."
    ),
    GUIDED: (
        "the gradient, of which each ReLU lets the positive part alone back (Springenberg et al. 2014, "
        "arXiv:1412.6806). It is sharp because it shows edges of the photograph, be they reasons or not."
    ),
    INTEGRATES: (
        f"how the pixels share what the output has more than of an image of the mean colour, in {INTEGRATED} steps "
        "from that (Sundararajan et al. 2017, arXiv:1703.01365). Light is much, for or against; another beginning "
        "gives another picture."
    ),
    CAM: (
        "which positions of the last convolution's map speak for the output (Selvaraju et al. 2016, arXiv:1610.02391). "
        "{map} Each position has seen more of the photograph than where it is drawn."
    ),
    OCCLUSION: (
        "what the output loses where a square of a quarter of the side is covered by the mean colour (Zeiler and "
        "Fergus 2013, figure 6). The network has never seen such squares."
    ),
}
PHOTOGRAPHS = (
    "All are of the output that is named, before the softmax, by captum. Light is much and black is nothing, of each "
    "picture by itself. That a part is light does not say that the network would be right without the others."
)


def classes(score: str, steps: int) -> dict[str, str]:
    """What the two pictures of a class are, whose `score` is maximised in so many steps."""
    return {name: text.format(score=score, steps=steps) for name, text in CLASSES.items()}


def methods(cam_side: int) -> dict[str, str]:
    """What each method shows, where the map of Grad-CAM has so many positions a side; 0 of none."""
    there = f"Here it has {cam_side}x{cam_side} positions." if cam_side else "The network has none."
    return {name: text.format(map=there) for name, text in METHODS.items()}

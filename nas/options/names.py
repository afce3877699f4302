"""Names that a command line takes, for its help and its completion, which import no torch; a test holds them to what
there is."""

SPACES = ("mnas", "compact", "nasnet", "chain", "nasbench201", "nasbench_macro")
DATA = ("cifar10", "cifar100", "shapes2", "shapes", "folder:", "array:")
STRATEGIES = (
    "controller", "ppo", "reinforce", "nas2016", "nasnet", "bananas", "evolution", "local-search", "random", "tpe",
    "gp", "nsga2",
)  # fmt: skip
OUTSIDE = "outside"  # no strategy of ours: other programs choose; who asks nevertheless is given random architectures
HEADS = (  # see `nas.heads` and `nas.detection.heads`
    "fcn32", "fcn16", "fcn8", "unet", "unet_bilinear", "context", "context_large", "aspp",
    "ssdlite", "ssdlite_small", "bifpn",
)  # fmt: skip
PRESETS = ("plain", "strong")  # of recipes, see `nas.training.presets`
SOUPS = ("greedy", "uniform")  # see `nas.soups`
_BASELINES = """
    lenet5 alexnet alexnet_one_tower zfnet vgg11 vgg13 vgg16_c vgg16 vgg19 vgg11_bn vgg13_bn vgg16_c_bn vgg16_bn
    vgg19_bn googlenet bn_inception se_inception highway19 inception_v3 squeezenet1_0 squeezenet1_1 inception_v4
    inception_resnet_v2 xception plain18 plain34 resnet18 resnet34 resnet50 resnet101 resnet152 resnet8 resnet20
    resnet32 resnet44 resnet56 resnet110 resnet1202 preact_resnet110 preact_resnet164 preact_resnet18
    preact_resnet34 preact_resnet50 preact_resnet101 preact_resnet152 preact_resnet200
    stochastic_depth_resnet110 stochastic_depth_resnet1202 wrn16-8 wrn40-4 wrn28-10 wide_resnet50_2
    wide_resnet101_2 densenet121 densenet169 densenet201 densenet264 densenet161 densenet_40_12 densenet_100_12
    densenet_100_24 densenet_bc_100_12 densenet_bc_250_24 densenet_bc_190_40 resnext50_32x4d resnext101_32x4d
    resnext101_64x4d resnext101_32x8d resnext29_8x64d resnext29_16x64d mobilenet_v1 mobilenet_v1@0.75-192
    mobilenet_v1@0.5-160 mobilenet_v1@0.25-128 mobilenet_v2 mobilenet_v2@1.4 shufflenet_v1_x0_25
    shufflenet_v1_x0_5 shufflenet_v1_x1_0 shufflenet_v1_x1_0_g8 shufflenet_v1_x1_5 shufflenet_v1_x2_0
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 nasnet_a_cifar nasnet_a_mobile
    nasnet_a_large se_resnet18 se_resnet34 se_resnet50 se_resnet101 se_resnet152 se_resnext50_32x4d
    se_resnext101_32x4d senet154 mnasnet_a1 mnasnet_b1 efficientnet_b0 efficientnet_b1 efficientnet_b2
    efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_l2
    efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 efficientnet_lite3 efficientnet_lite4 resnest50
    resnest101 resnest200 resnest269 vit_b_16 nfnet_f0
"""
BASELINES = tuple(_BASELINES.split())

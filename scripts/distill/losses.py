"""What a student is told, on one batch of unit vectors s (n, dim). Every function returns one number to make small.

    distil    say what the teacher says of the same photo
    relate    be alike where the teacher is alike: the batch's matrix of cosines
    lookup    choose, among very many photos, those that the teacher would choose
    contrast  people: what is alike together, what is not apart (SupCon, Khosla et al. 2020)
    triplet   the project's own loss, on the plain distance (docs/training.md)

label (n): a person, -1 not known. `ignore` (n, m) is true for pairs that are nobody's negatives: two labels that may well be
one person.
"""
import torch
import torch.nn.functional as F


def distil(s, target):
    return (1 - (s * target).sum(1)).mean()


def relate(s, target):
    return (s @ s.T - target @ target.T).pow(2).mean()


def lookup(s, target, bank, scale, sharper=1.25):
    """Cross entropy between the teacher's choice and the student's, each the softmax of `scale` times its cosines with the
    targets of the batch's own photos and of `bank` (m, dim), m others (SEED, Fang et al. 2021). The teacher's is a bit
    sharper than the student's, so that one near wrong answer weighs more than many far ones."""
    all_targets = torch.cat((target, bank))
    wanted = F.softmax(sharper * scale * target @ all_targets.T, 1)
    return -(wanted * F.log_softmax(scale * s @ all_targets.T, 1)).sum(1).mean()


def pairs(label, other):
    return (label[:, None] == other[None, :]) & (label >= 0)[:, None]


def contrast(s, label, ignore, scale, past=None):
    """past: (vectors (m, dim), labels (m)) of batches before, as more candidates (XBM, Wang et al. 2020)."""
    n = len(s)
    others, labels = s, label
    if past is not None:
        others, labels = torch.cat((s, past[0])), torch.cat((label, past[1]))
        ignore = F.pad(ignore, (0, len(past[1])))
    itself = torch.eye(n, len(others), dtype=torch.bool, device=s.device)
    alike = pairs(label, labels) & ~itself
    logits = (scale * s @ others.T).masked_fill(itself | (ignore & ~alike), -1e4)
    log_share = logits - torch.logsumexp(logits, 1, keepdim=True)
    count = alike.sum(1)
    each = -(log_share * alike).sum(1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def triplet(s, label, ignore, margin, mining):
    """max(|a - p| - |a - n| + margin, 0), averaged over active triplets. semi-hard: for each pair (a, p) the nearest
    negative that is further than p, else the furthest; batch-hard: for each a the furthest p and the nearest n."""
    distance = (2 - 2 * s @ s.T).clamp(min=1e-8).sqrt()
    itself = torch.eye(len(s), dtype=torch.bool, device=s.device)
    alike, apart = pairs(label, label) & ~itself, ~pairs(label, label) & ~ignore & (label >= 0)[None, :] & ~itself
    far = torch.full_like(distance, 9.0)
    if mining == "batch-hard":
        positive = torch.where(alike, distance, -far).max(1).values
        negative = torch.where(apart, distance, far).min(1).values
        loss = (positive - negative + margin).clamp(min=0) * alike.any(1)
    else:
        a, p = alike.nonzero(as_tuple=True)
        d, ap = torch.where(apart[a], distance[a], far[a]), distance[a, p]
        further = torch.where(d > ap.detach()[:, None], d, far[a]).min(1).values
        furthest = torch.where(apart[a], distance[a], -far[a]).max(1).values
        loss = (ap - torch.where(further < 9, further, furthest) + margin).clamp(min=0)
    return loss.sum() / (loss > 0).sum().clamp(min=1)

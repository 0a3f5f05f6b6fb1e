"""Frequent short words of languages that share the Latin script: enough of them in a text tell its language.

Collected by hand from what is common knowledge of each language; a word may belong to several.
"""

STOP_WORDS: dict[str, str] = {
    "English": (
        "the of and to in is that for it was on are as with his they at be this have from or had by not but what all "
        "were when your can said there use an each which she do how their if will up other about out many then them "
        "these so some her would make like him into has could my than been who its now did get you he we i"
    ),
    "German": (
        "der die das und ist in den von zu mit sich des auf für nicht als auch es an werden aus er hat dass sie nach "
        "wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch "
        "man sein wurde ein eine ich wir ihr kann wenn was im dem unter gegen schon sehr hier mich mir du"
    ),
    "French": (
        "le la les de des et est un une du en que qui dans pour pas sur au plus par ce il ne se avec sont mais nous "
        "vous comme ou si leur elle tout cette ses aux même bien être fait peut sans deux ont été je aussi très où "
        "donc ces votre notre quand après entre"
    ),
    "Spanish": (
        "el la los las de y que en un una es por con para no se del al lo como más pero sus le ya o este sí porque "
        "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante uno ni contra ese "
        "eso había son está ser tiene puede yo qué cómo"
    ),
    "Portuguese": (
        "o a os as de e que em um uma é por com para não se do da dos das no na ao mais como mas foi sua seu ou "
        "quando muito nos já eu também só pelo pela até isso ela entre depois sem mesmo aos ter seus quem nas me esse "
        "eles você são está pode ser tem"
    ),
    "Italian": (
        "il la i gli le di e che in un una è per con non si del della dei delle al alla nel nella più come ma sono da "
        "lo anche ha questo questa se o ai dal dalla suo sua cui tra perché essere può quando io molto era così dove "
        "loro ho mi ci sul sulla"
    ),
    "Dutch": (
        "de het een en van is dat in op te zijn met voor niet aan er om ook als bij maar uit nog door naar heeft "
        "wordt worden ze hij over deze dan of was kan meer tot wat hun geen zo hebben je ik wij u dit die al veel "
        "onder haar mijn waar moet zich"
    ),
    "Swedish": (
        "och att det i en som är på av för med den till inte har de ett om var så från men kan vid jag eller man när "
        "nu hur även där efter under bara skulle mycket mot här ut också något alla över sin vad du vi hon han finns "
        "blir"
    ),
    "Danish or Norwegian": (
        "og at det i en som er på af av for med den til ikke har de et om var så fra men kan ved jeg eller man når nu "
        "hvordan også der efter under kun skulle meget mod her ud alle over sin hva hvad du vi hun han blir bliver "
        "etter være"
    ),
    "Polish": (
        "i w na z się nie do jest to że o jak a ale po za od przez dla czy tak ten może już tylko są co jego lub oraz "
        "być które który która gdy ich jej też tym przy bardzo było można jako jeszcze mnie nad bez"
    ),
    "Turkish": (
        "ve bir bu için ile da de çok olarak daha gibi olan en ne kadar sonra ise ama var her o ya olduğu ki değil mi "
        "mı nasıl göre şey ben sen biz siz kendi iki tarafından olur yok"
    ),
    "Indonesian": (
        "yang dan di dari untuk dengan pada adalah ini itu tidak dalam akan ke oleh juga atau bisa saya anda dapat "
        "sebagai ada karena mereka telah lebih seperti kami kita kepada sudah hanya tersebut secara saat"
    ),
}

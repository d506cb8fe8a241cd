// The world in hexagons: every ISO 3166-1 country has at least one, large ones have several.
//
// Two letters a hexagon, ".." is sea; every second row stands half a hexagon to the right. Drawn by
// us from approximate centroids and coastlines with our own rounding; Europe, the Caribbean and
// Oceania are stretched so that the smallest country can be seen. It shows answers, not borders:
// where a hexagon lies says nothing about whose land it is.

export const ROWS = [
  "........................CACA..GLGLGLGL....................................................................................",
  "..............CA....CACA..GLGLGLGLGL............SJ..............RU....RURURURURURURURU....................................",
  "....USUSCACACACACACA..CACA..GLGLGL................SESEFIRURU..RURURURURURURURURURURURURURURURURURU........................",
  "USUSUSCACACACACA..........GLGL....ISFO......NONOSESEFIFIRURURURURURURURURURURURURURURURURURURURURU........................",
  "US..USUSCACACACA..CACA........................NOSESEAXEEEERURURURURURURURURURURURURURURURURURU..RU........................",
  "....CACACACACA..CACACA..............IMGB......DKSE..LVLVBYRURURURURURURURURURURURURURURURURU....RU........................",
  "....CACACACACACACACACACA............IEIEGB..NLDKDEPLPLLTBYBYRURURURURURURURURURURURURURURURU..............................",
  "..CACACACACACACACACACA..............GGGBGBBEDEDECZPLPLBYBYUAUARURURUKZKZKZKZKZRURURURURURURURU............................",
  "....USCACACACACACACA..CA..............JEFRFRLULIATCZSKROMDUAUAUARURUKZKZKZKZKZKZMNMNMNMNRUCNCNRU..........................",
  "..USUSUSUSCACACACACAPM................FRFRFRCHITSIHRHUROMDUAUAUARUKZKZKZKZKZKZCNMNMNMNMNCNCNRU............................",
  "..USUSUSUSUSUSCACA..................ESESADADMCITSMBAMERSBG....RURURUKZKZUZKZKGCNCNMNMNMNCNCNCNRU..........................",
  "USUSUSUSUSUSUSUS..................PTESESAD......VAALMKBGTRTRTRGEAMAZTMUZUZKGCNCNCNCNCNCNCNCNKP............................",
  "USUSUSUSUSUSUS....................PTESESES............GRTRTRTRTRAMAZAZTMTMTJTJCNCNCNCNCNCNCN..KP..JP......................",
  "USUSUSUSUSUSUS......................GIDZDZDZTN..MT........CYLBSYIQIRIRIRAFAFCNCNCNCNCNCNCNCNKR..JP........................",
  "..MXMXUSUSUSUS..BM..................MAMADZDZDZTNLYLYLY..EG....PSIQIQIRIRAFAFPKCNCNCNCNCNCNCN....JP........................",
  "..MXMXMXUSUSBSTCAIMF............EHMAMADZDZDZDZLYLYLYLYEGEGEGILJOSAKWBHIRPKPKINNPBTCNCNCNCNCN..............................",
  "....MXMX....CUDOVGSXBL..........EHMRMRMLDZDZDZNELYLYLYLYEGEGEGSASASAQAAE..ININININBDMMCNCNCNTW............................",
  "....MXGTBZKYHTPRKNAGGP..........MRMRMLMLDZNENENELYTDTDSDSDSDSDSASASAOM......ININ..MMLAVNMOHK....................UM........",
  "........SVHNJMCWVIMSDMMQ......CVGMSNMLMLMLNENENENETDTDTDSDSDSDERERYEYE......ININ....THVN....PH......MP....................",
  "..........NIAWBQVCLCBB..........GWGNCIBFBJNGNGNGTDTDTDSDSDSDETETDJSO........IN......THKH..PHPH....GU......................",
  "............CRPAGDTTSR............SLLRGHTGBJNGNGCMCFCFCFSSSSSSETETSO..........LK....TH..........PW......FM..MH............",
  "............COCOVEGYGF........................GQCGCFCDCDSSUGKEKESO........MV........IDSGBN....................KI..........",
  "............ECCOBRBRBRBRBR..................STGAGACGCDCDCDRWTZKEKE....SC..............IDMYIDID..IDID......NR..............",
  "............PEBRBRBRBRBRBR....................GAAOAOCDCDCDBITZTZ..........IO................TL..PGPG........TVTK..........",
  "..............PEBRBRBRBRBRBR....................AOAOAOCDZMZMMWMZKMYT................CCCX................SB....WFAS........",
  "..............PEBOBRBRBRBR..........SH........AOAOAOAOZMZMZWMZMZMGMG..MU....................AUAUAUAU......VUFJWS....PF....",
  "................BOPYBRBRBR......................NANANABWBWZWMZ....MG..RE..................AUAUAUAUAUAU....NC..TONUCK......",
  "..............CLARARBR..........................NANAZAZALSSZ............................AUAUAUAUAUAUAU..................PN",
  "................ARARUY..............................ZAZAZALS..............................AUAUAUAUAUAUAU..NF..............",
  "..............CLARAR..............................................................................AU......NZ..............",
  "..................AR....................................................TF..............................NZ................",
  "......................FK....GS............BV..........................HM..................................................",
  "......................................AQAQAQAQAQAQAQ......................................................................",
];
